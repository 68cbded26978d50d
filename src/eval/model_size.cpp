#include "src/eval/model_size.hpp"

#include "anemll/core/file.hpp"
#include "anemll/formats/gguf.hpp"
#include "anemll/model/architecture.hpp"
#include "src/quant/packed_layer.hpp"

#include <functional>
#include <numeric>
#include <system_error>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr double kHalf = 16;
constexpr double kByte = 8;

double count_of(const std::vector<std::int64_t>& shape) {
  return static_cast<double>(
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
}

std::uint64_t bytes_of(const fs::path& file) {
  std::error_code ignored;
  const std::uint64_t bytes = fs::file_size(file, ignored);
  return ignored ? 0 : bytes;
}

/// A folder may hold other files of weights, which the model does not use.
std::uint64_t weight_files(const OpenModel& opened, const ModelFiles& files) {
  if (opened.gguf) return bytes_of(opened.path);
  std::uint64_t bytes = 0;
  for (const auto& map : files.maps) bytes += map->bytes().size();
  return bytes;
}

/// Bits of a tensor as it is stored; 0 for a head that is the embedding.
double stored_bits(const OpenModel& opened, const ModelFiles& files, const TensorSpec& spec) {
  if (opened.gguf) {
    const GgufTensor* tensor = opened.gguf->tensor(spec.gguf_name);
    return tensor == nullptr ? 0 : static_cast<double>(tensor->data.size()) * kByte;
  }
  if (spec.role == TensorRole::head && files.architecture.tied_embeddings) return 0;
  const HostTensor* tensor = files.tensors.find(spec.name);
  return tensor == nullptr ? 0 : static_cast<double>(tensor->bytes()) * kByte;
}

}  // namespace

ModelSize size_of_student(const Student& student, const fs::path& file) {
  ModelSize size;
  size.body_weights = student.body_weights();
  size.file_bytes = bytes_of(file);
  for (QuantLayer* layer : student.layers()) size.body_bits += packed_bits(*layer);
  size.other_bits = other_bits(student.files().architecture);
  return size;
}

double other_bits(const Architecture& architecture) {
  double bits = 0;
  for (const TensorSpec& spec : expected_tensors(architecture)) {
    if (spec.role == TensorRole::weight) continue;
    if (spec.role == TensorRole::head && architecture.tied_embeddings) continue;
    bits += count_of(spec.shape) * kHalf;
  }
  return bits;
}

ModelSize size_of_plain(const OpenModel& opened, const ModelFiles& files) {
  ModelSize size;
  size.file_bytes = weight_files(opened, files);
  for (const TensorSpec& spec : expected_tensors(files.architecture)) {
    const double bits = stored_bits(opened, files, spec);
    if (spec.role == TensorRole::weight) {
      size.body_weights += static_cast<std::int64_t>(count_of(spec.shape));
      size.body_bits += bits;
    } else {
      size.other_bits += bits;
    }
  }
  return size;
}

}  // namespace anemll
