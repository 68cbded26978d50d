// Hand-made .pt files for the format tests: archives with any entries, pickles from opcodes.
#pragma once

#include "anemll/formats/torch_file.hpp"
#include "src/formats/internal/zip_format.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/formats/tensors.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <zlib.h>

namespace anemll::test {

using ArchiveEntries = std::vector<std::pair<std::string, std::string>>;

inline std::string stored_zip(const ArchiveEntries& entries) {
  std::string out;
  std::string directory;
  for (const auto& [name, content] : entries) {
    const auto* data = reinterpret_cast<const Bytef*>(content.data());
    formats::ZipStoredEntry entry{name, content.size(), 0, out.size()};
    entry.crc = static_cast<std::uint32_t>(::crc32_z(0, data, content.size()));
    out += formats::zip_local_header(entry);
    out += content;
    directory += formats::zip_central_header(entry);
  }
  const std::uint64_t at = out.size();
  out += directory;
  return out + formats::zip_end_records(entries.size(), at, directory.size());
}

/// An archive of one pickle (its opcodes without PROTO and STOP) and storages "0", "1", ...
inline std::string torch_archive(const std::string& opcodes, const std::vector<std::string>& storages = {}) {
  ArchiveEntries entries = {{"archive/data.pkl", "\x80\x02" + opcodes + "."}};
  for (std::size_t i = 0; i < storages.size(); ++i)
    entries.emplace_back("archive/data/" + std::to_string(i), storages[i]);
  entries.emplace_back("archive/version", "3\n");
  return stored_zip(entries);
}

inline TorchValue read_bytes(const std::string& bytes) {
  const TempDir folder;
  store_file(folder / "x.pt", bytes);
  return read_torch_file(folder / "x.pt");
}

inline TorchValue read_pickle(const std::string& opcodes, const std::vector<std::string>& storages = {}) {
  return read_bytes(torch_archive(opcodes, storages));
}

// Opcodes of one object each.
inline std::string text_op(const std::string& text) {
  const auto length = static_cast<std::uint32_t>(text.size());
  std::string out = "X";
  out.append(reinterpret_cast<const char*>(&length), sizeof(length));
  return out.append(text);
}
inline std::string int_op(std::int32_t value) {
  std::string out = "J";
  return out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}
inline std::string global_op(const std::string& module, const std::string& name) {
  std::string out = "c";
  return out.append(module).append("\n").append(name).append("\n");
}
inline std::string tuple_op(const std::vector<std::int32_t>& values) {
  std::string out = "(";
  for (const std::int32_t value : values) out += int_op(value);
  return out.append("t");
}
inline std::string storage_op(const std::string& type, const std::string& key, std::int32_t count) {
  const std::string module = type == "UntypedStorage" ? "torch.storage" : "torch";
  std::string out = "(";
  out.append(text_op("storage")).append(global_op(module, type)).append(text_op(key)).append(text_op("cpu"));
  return out.append(int_op(count)).append("tQ");
}

struct TensorOp {
  std::string storage = storage_op("FloatStorage", "0", 6);
  std::int32_t offset = 0;
  std::vector<std::int32_t> shape = {2, 3};
  std::vector<std::int32_t> strides = {3, 1};

  /// The argument tuple of _rebuild_tensor_v2, or of v3 with a dtype.
  std::string arguments(const std::string& dtype = {}) const {
    std::string out = "(";
    out.append(storage)
        .append(int_op(offset))
        .append(tuple_op(shape))
        .append(tuple_op(strides))
        .append("\x89");
    out.append(global_op("collections", "OrderedDict")).append(")R");
    if (!dtype.empty()) out.append(global_op("torch", dtype));
    return out.append("t");
  }
  std::string v2() const { return global_op("torch._utils", "_rebuild_tensor_v2") + arguments() + "R"; }
  std::string v3(const std::string& dtype) const {
    return global_op("torch._utils", "_rebuild_tensor_v3") + arguments(dtype) + "R";
  }
};

/// Six floats 0 ... 5.
inline std::string six_floats() {
  const float values[6] = {0, 1, 2, 3, 4, 5};
  return {reinterpret_cast<const char*>(values), sizeof(values)};
}

}  // namespace anemll::test
