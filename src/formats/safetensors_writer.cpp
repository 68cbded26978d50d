// Safetensors writing: the header is complete before the first tensor is made, because every offset
// follows from types and shapes.
#include "anemll/core/file.hpp"
#include "anemll/formats/safetensors.hpp"
#include "src/formats/internal/lazy_tensor.hpp"
#include "src/formats/internal/limits.hpp"
#include "src/formats/internal/safetensors_dtype.hpp"
#include "src/formats/utf8.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using formats::Complaint;

constexpr const char* kHint = "this is an error of the exporting program; please report it";
constexpr std::size_t kHeaderAlignment = 8;
constexpr const char* kMetadataKey = "__metadata__";

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump();
}

std::string metadata_json(std::map<std::string, std::string> metadata, const Complaint& complain) {
  metadata["format"] = "pt";  // loaders of the transformers library ask for it
  std::string json = quoted(kMetadataKey) + ":{";
  const char* separator = "";
  for (const auto& [key, value] : metadata) {
    if (!formats::is_utf8(key) || !formats::is_utf8(value)) complain("the metadata is not UTF-8");
    json.append(separator).append(quoted(key)).append(":").append(quoted(value));
    separator = ",";
  }
  return json.append("}");
}

std::string entry_json(const LazyTensor& tensor, std::uint64_t begin, std::uint64_t end) {
  std::string json = quoted(tensor.name) + ":{\"dtype\":\"";
  json += formats::kSafetensorsDTypes[formats::safetensors_rank(tensor.dtype)].name;
  json += "\",\"shape\":[";
  for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
    json.append(d > 0 ? "," : "").append(std::to_string(tensor.shape[d]));
  }
  json.append("],\"data_offsets\":[").append(std::to_string(begin)).append(",").append(std::to_string(end));
  return json.append("]}");
}

std::vector<std::size_t> writing_order(std::span<const LazyTensor> tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const std::size_t rank_a = formats::safetensors_rank(tensors[a].dtype);
    const std::size_t rank_b = formats::safetensors_rank(tensors[b].dtype);
    return rank_a != rank_b ? rank_a < rank_b : tensors[a].name < tensors[b].name;
  });
  return order;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::span<const LazyTensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  const Complaint complain(path, kHint);
  const std::vector<std::size_t> owners = formats::storage_owners(tensors, complain);
  const std::vector<std::size_t> order = writing_order(tensors);

  std::string header("{");
  header.append(metadata_json(metadata, complain));
  std::uint64_t at = 0;
  for (const std::size_t i : order) {
    if (tensors[i].name == kMetadataKey) complain("no tensor can have the name '__metadata__'");
    const std::uint64_t end = at + formats::packed_bytes(tensors[i]);
    header.append(",").append(entry_json(tensors[i], at, end));
    at = end;
  }
  header += "}";
  header.append((kHeaderAlignment - header.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
  if (header.size() > formats::kMaxSafetensorsHeader)
    complain("the names need a larger header than the format allows");

  require_space(path.parent_path(), sizeof(std::uint64_t) + header.size() + at);
  AtomicFile file(path);
  const std::uint64_t header_bytes = header.size();
  file.write(std::as_bytes(std::span(&header_bytes, 1)));
  file.write(header);
  for (const std::size_t i : order) {
    // An alias without content of its own is its owner once more, under its own shape.
    const bool own = static_cast<bool>(tensors[i].make);
    const HostTensor tensor = formats::materialize(own ? tensors[i] : tensors[owners[i]], complain);
    file.write(formats::bytes_of(tensor));
  }
  file.commit();
}

}  // namespace anemll
