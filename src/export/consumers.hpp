// How the programs that read a snapped checkpoint turn its tensors into a weight. They differ, and only a
// file whose scales are baked means the same to all of them.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/model/linear.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

enum class Consumer {
  raw,        ///< _Q o (A diag(g) B): the trace converter
  abs,        ///< the same with |A| and |B|: the rank-factored loader when config.json does not say otherwise
  clamp,      ///< _Q o max(A diag(g) B, 1e-8): the baked and dynamic loaders
  weight,     ///< .weight o max(A B, 1e-8): the MIL converter when it multiplies the scales out
  reference,  ///< _Q o (A_dir diag(g) B_dir), normalised unless the baked flag is set: the reference's own
              ///< tools
  factored,   ///< .weight o (A B): the MIL converter as it is called, which ignores _Q and rank_magnitude
  conv,       ///< as weight, but lut[0] for every weight where the file has .lut: load_anemll_weights
};
inline constexpr std::array kConsumers{Consumer::raw,    Consumer::abs,       Consumer::clamp,
                                       Consumer::weight, Consumer::reference, Consumer::factored,
                                       Consumer::conv};
const char* name_of(Consumer consumer);

/// One quantised linear of a file that was written, as fp32 tensors.
struct SnappedLayer {
  std::string name;
  at::Tensor weight, Q;  ///< [out, in]
  at::Tensor scale_A, scale_B, magnitude;
  at::Tensor bias;  ///< [out] or undefined
  at::Tensor lut;   ///< [n] or undefined
  bool baked = false;
};

/// Reads layer `name` of a state dict; data errors name the missing or misshapen key. Floats come as fp32
/// copies.
SnappedLayer read_snapped_layer(const TensorMap& file, const std::string& name);

/// The weight that this consumer computes with, fp32 [out, in].
at::Tensor effective_weight(const SnappedLayer& layer, Consumer consumer);

struct ScaleFacts {
  std::int64_t entries = 0;
  std::int64_t negative = 0;    ///< entries of A diag(g) B below 0: what abs and clamp change
  std::int64_t below = 0;       ///< entries under kSmallestPositiveScale, the negative ones among them
  std::int64_t distinct = 0;    ///< different values in _Q
  bool weight_is_q = false;     ///< .weight equals _Q bit for bit
  bool unit_magnitude = false;  ///< every g is 1
  bool baked = false;
  bool has_lut = false;
  double largest = 0;  ///< largest magnitude among A, B and g: far below 65504 is good
};
ScaleFacts scale_facts(const SnappedLayer& layer);

/// The first of kConsumers that computes the same weight as `consumer` on layers with these facts: in the
/// universal layout `weight` is `clamp`, and `reference` and `factored` are `raw`; without `.lut` `conv` is
/// `clamp` too.
Consumer same_reading(Consumer consumer, const ScaleFacts& facts);

/// A linear that reads its tensors from the file at each use, so that no model-sized copy is made.
class ConsumerLinear final : public Linear {
 public:
  /// `file` must outlive it. `keep`: the weight is made once and kept, for many short forwards.
  ConsumerLinear(const TensorMap& file, std::string name, Consumer consumer, at::Device device,
                 bool keep = false);
  at::Tensor forward(const at::Tensor& x) override;

 private:
  const TensorMap& file_;
  std::string name_;
  Consumer consumer_;
  at::Device device_;
  bool keep_;
  at::Tensor weight_, bias_;  // where they are kept
};

}  // namespace anemll
