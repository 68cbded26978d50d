#include "src/model/internal/fingerprint.hpp"

#include "anemll/core/log.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

namespace anemll {
namespace {

std::string computation_of(const LayerSpec& layer) {
  // Norms on q and k and biases are tensors, which say so themselves.
  std::string text = strf("%d %lld %.17g", static_cast<int>(layer.activation),
                          static_cast<long long>(layer.window), layer.rope.theta);
  if (const auto& scaling = layer.rope.scaling) {
    text += strf(" %.17g %.17g %.17g %lld", scaling->factor, scaling->low_freq_factor,
                 scaling->high_freq_factor, static_cast<long long>(scaling->original_max_position));
  }
  return text + '\n';
}

}  // namespace

Fingerprint::Fingerprint(const Architecture& a) {
  sha_.update(strf("%lld %lld %lld %.17g\n", static_cast<long long>(a.heads),
                   static_cast<long long>(a.kv_heads), static_cast<long long>(a.head_dim), a.rms_norm_eps));
  for (const LayerSpec& layer : a.layers) sha_.update(computation_of(layer));
}

void Fingerprint::add(const TensorSpec& spec, const ValueDigest& values) {
  std::string text = spec.name;
  for (const std::int64_t extent : spec.shape) (text += ' ') += std::to_string(extent);
  sha_.update(text += '\n');
  sha_.update(std::span<const std::byte>(values.sha256));
}

std::string Fingerprint::text() {
  std::string text = "2:";
  return text += sha_.finish_hex();
}

FirstFingerprint::FirstFingerprint(std::string_view config) {
  sha_.update(config);
  sha_.update("\n");
}

void FirstFingerprint::add(std::string_view name, const HostTensor& tensor) {
  constexpr std::size_t kEnd = 64;
  const std::size_t size = tensor.bytes();
  const std::size_t end = std::min(size, kEnd);
  sha_.update(name);
  sha_.update("\n");
  sha_.update(tensor.describe());
  sha_.update("\n");
  sha_.update(std::span(tensor.data, end));
  sha_.update(std::span(tensor.data + (size - end), end));
}

}  // namespace anemll
