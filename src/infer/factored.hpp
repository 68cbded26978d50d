// A quantised model as FP16 hardware computes it: every linear rank by rank, y = sum of g_k a_k o (Q (b_k o
// x)), each result rounded to half, and a count of what half cannot hold.
#pragma once

#include "anemll/model/model_files.hpp"
#include "src/model/decoder.hpp"
#include "src/quant/layer.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace anemll {

/// Of one linear, over all its uses.
struct HalfRange {
  std::string layer;
  std::int64_t values = 0;         ///< results that were rounded to half
  std::int64_t beyond = 0;         ///< of these: above 65504 in magnitude before it
  std::int64_t infinite_sums = 0;  ///< elements of y that a rank's part made infinite
};

class FactoredModel {
 public:
  /// `files`: the student's, with its norms and embedding. `layers`: in module order. Usage error for a layer
  /// that is not made of factors (V1). Norms, attention and head stay fp32; products add up in fp32.
  FactoredModel(const ModelFiles& files, const std::vector<QuantLayer*>& layers, at::Device device);

  Decoder& decoder() { return decoder_; }
  const std::vector<std::shared_ptr<HalfRange>>& ranges() const { return ranges_; }

 private:
  Decoder decoder_;
  std::vector<std::shared_ptr<HalfRange>> ranges_;
};

}  // namespace anemll
