// Safetensors reading: the checks between header and data, and tensors as views of the map.
#include "anemll/core/file.hpp"
#include "anemll/formats/safetensors.hpp"
#include "src/core/content_kind.hpp"
#include "src/formats/internal/byte_reader.hpp"
#include "src/formats/internal/limits.hpp"
#include "src/formats/internal/safetensors_dtype.hpp"
#include "src/formats/internal/safetensors_header.hpp"
#include "src/formats/shown.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace anemll {
namespace {

using formats::Complaint;
using formats::SafetensorsEntry;

/// Element type and dimensions of one entry, with the byte count they imply checked against its offsets.
HostTensor checked_layout(const SafetensorsEntry& entry, const Complaint& complain) {
  const std::optional<DType> dtype = formats::safetensors_dtype(entry.dtype);
  if (!dtype) {
    complain(
        "tensor '" + entry.name + "' has the unsupported dtype '" + entry.dtype + "'",
        "supported are F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL; convert the tensor with python3 "
        "(safetensors.torch.save_file)");
  }
  HostTensor tensor;
  tensor.dtype = *dtype;
  // Dimensions of zero are left out of the product: it bounds every partial product of the others.
  std::int64_t bytes = static_cast<std::int64_t>(size_of(*dtype));
  bool empty = false;
  for (const std::uint64_t dimension : entry.shape) {
    if (dimension > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) ||
        !formats::checked_multiply(bytes, std::max<std::int64_t>(static_cast<std::int64_t>(dimension), 1),
                                   bytes)) {
      complain("the shape of tensor '" + entry.name + "' overflows: " + shown_shape(entry.shape));
    }
    empty = empty || dimension == 0;
    tensor.shape.push_back(static_cast<std::int64_t>(dimension));
  }
  if (entry.end < entry.begin) {
    complain("tensor '" + entry.name + "' ends before it begins: data_offsets " +
             shown_shape(std::vector{entry.begin, entry.end}));
  }
  if (entry.end - entry.begin != (empty ? 0 : static_cast<std::uint64_t>(bytes))) {
    complain("tensor '" + entry.name + "' occupies " + std::to_string(entry.end - entry.begin) +
             " bytes, but is " + tensor.describe());
  }
  tensor.strides = contiguous_strides(tensor.shape);
  return tensor;
}

/// Entries in data order; together they must cover the data without holes and overlaps.
std::vector<SafetensorsEntry> in_data_order(std::vector<SafetensorsEntry> entries, std::uint64_t data_bytes,
                                            const Complaint& complain) {
  std::stable_sort(entries.begin(), entries.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::uint64_t at = 0;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin != at) {
      complain("tensor '" + entry.name + "' begins at " + std::to_string(entry.begin) + ", expected " +
               std::to_string(at) + (entry.begin > at ? " (a hole)" : " (an overlap)"));
    }
    at = entry.end;
  }
  if (at > data_bytes) {
    complain("the tensors need " + std::to_string(at) + " bytes, only " + std::to_string(data_bytes) +
             " are there");
  }
  if (at < data_bytes)
    complain(std::to_string(data_bytes - at) + " bytes after the last tensor belong to none");
  return entries;
}

}  // namespace

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  const Complaint complain(path, "the file is damaged, incomplete or not safetensors; " + fetch_advice(path));
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  require_content(path, file->bytes(), {ContentKind::safetensors}, "a safetensors file");
  formats::ByteReader reader(file->bytes(), complain, "safetensors header");
  const auto header_bytes = reader.read<std::uint64_t>();
  if (header_bytes > formats::kMaxSafetensorsHeader) {
    complain("the header claims " + std::to_string(header_bytes) + " bytes, more than the format allows");
  }
  formats::SafetensorsHeader header = formats::parse_safetensors_header(reader.text(header_bytes), complain);
  const std::span<const std::byte> data = reader.take(reader.remaining());

  std::vector<SafetensorsEntry> entries = in_data_order(std::move(header.entries), data.size(), complain);
  SafetensorsFile out;
  out.metadata = std::move(header.metadata);
  out.map = file;
  for (SafetensorsEntry& entry : entries) {
    HostTensor tensor = checked_layout(entry, complain);
    tensor.data = data.data() + entry.begin;
    tensor.owner = file;
    if (reinterpret_cast<std::uintptr_t>(tensor.data) % size_of(tensor.dtype) != 0) {
      HostTensor aligned = HostTensor::zeros(tensor.dtype, tensor.shape);
      std::memcpy(aligned.mutable_bytes(), tensor.data, tensor.bytes());
      tensor = std::move(aligned);
    }
    out.tensors.set(std::move(entry.name), std::move(tensor));
  }
  return out;
}

}  // namespace anemll
