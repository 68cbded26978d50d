// Who a model is, as caches and states record it.
#pragma once

#include "anemll/core/tensor.hpp"
#include "anemll/model/architecture.hpp"
#include "src/core/hash.hpp"
#include "src/model/internal/value_digest.hpp"

#include <string>
#include <string_view>

namespace anemll {

/// By its tensors: SHA-256 over how the model computes (heads, epsilon; of each layer activation, window and
/// rotation) and over name, shape and value digest of each tensor in the order of expected_tensors. The same
/// in one file, in shards and in a GGUF file that holds the same values; the text of config.json, what does
/// not change the numbers, and types do not count.
class Fingerprint {
 public:
  explicit Fingerprint(const Architecture& architecture);
  void add(const TensorSpec& spec, const ValueDigest& values);
  /// "2:" and 64 hexadecimal digits. The number is that of this rule.
  std::string text();

 private:
  Sha256 sha_;
};

/// The first rule, by which earlier caches and states name their models: SHA-256 over the text of the
/// configuration and, per tensor, name, type, shape and the bytes at both ends.
class FirstFingerprint {
 public:
  explicit FirstFingerprint(std::string_view config);
  void add(std::string_view name, const HostTensor& tensor);
  /// 64 hexadecimal digits.
  std::string text() { return sha_.finish_hex(); }

 private:
  Sha256 sha_;
};

}  // namespace anemll
