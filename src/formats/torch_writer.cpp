// Writing of .pt files. The pickle needs types and shapes only, so it goes first, as Python writes it;
// then each storage is made, written and dropped.
#include "anemll/core/file.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/formats/internal/lazy_tensor.hpp"
#include "src/formats/internal/pickle_writer.hpp"
#include "src/formats/internal/zip_writer.hpp"

#include <string>
#include <vector>

namespace anemll {
namespace {

constexpr const char* kHint = "this is an error of the exporting program; please report it";
// Any name works as long as all entries share it; a fixed one makes equal content equal files.
const std::string kRoot = "archive/";

}  // namespace

void write_torch_file(const std::filesystem::path& path, std::span<const LazyTensor> tensors,
                      const std::function<void(std::size_t)>& before) {
  const formats::Complaint complain(path, kHint);
  const std::vector<std::size_t> owners = formats::storage_owners(tensors, complain);

  // Storages are numbered in the order of their owners.
  std::vector<std::size_t> keys(tensors.size());
  std::vector<std::size_t> storages;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (owners[i] == i) {
      keys[i] = storages.size();
      storages.push_back(i);
    } else {
      keys[i] = keys[owners[i]];
    }
  }
  const std::string pickle = formats::state_dict_pickle(tensors, keys);
  const auto storage_name = [](std::size_t key) { return kRoot + "data/" + std::to_string(key); };

  constexpr std::uint64_t kSmallRecordBytes = 1024;  // pickle's header, byteorder, version
  std::uint64_t needed = pickle.size() + kSmallRecordBytes + formats::ZipWriter::kEndBytes;
  for (std::size_t key = 0; key < storages.size(); ++key) {
    needed += formats::packed_bytes(tensors[storages[key]]) +
              formats::ZipWriter::overhead(storage_name(key).size());
  }
  require_space(path.parent_path(), needed);

  AtomicFile file(path);
  formats::ZipWriter zip(file);
  zip.add(kRoot + "data.pkl", pickle);
  zip.add(kRoot + "byteorder", "little");
  for (std::size_t key = 0; key < storages.size(); ++key) {
    if (before) before(storages[key]);
    const HostTensor tensor = formats::materialize(tensors[storages[key]], complain);
    zip.add(storage_name(key), formats::bytes_of(tensor));
  }
  zip.add(kRoot + "version", "3\n");
  zip.finish();
  file.commit();
}

}  // namespace anemll
