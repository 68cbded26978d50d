// A model in the form in which one token after another is written fastest on a CPU. Then the reading of the
// weights is what takes the time: 16 bits a weight, or the codes of a quantised one with its scales formed on
// the way. Arithmetic is fp32 in both. The head has 16 bits always.
#pragma once

#include "anemll/model/model_files.hpp"
#include "src/infer/weight_format.hpp"
#include "src/model/decoder.hpp"
#include "src/quant/layer.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace anemll {

/// What was chosen, and by what.
struct CompactFacts {
  WeightFormat format = WeightFormat::dense;  ///< never automatic
  std::int64_t packed_linears = 0;            ///< the others are dense
  std::int64_t linears = 0;
  double dense_rate = 0, packed_rate = 0;  ///< passes through all linears a second; 0 where not measured
  std::int64_t body_bytes = 0;             ///< of the linears: codes, scales, weights
  std::int64_t head_bytes = 0;
  std::int64_t embedding_bytes = 0;  ///< 0 where it is the head's own table

  /// "weights packed: 210 of 210 linears; ...".
  std::string describe() const;
};

class CompactModel {
 public:
  /// Plain weights: dense. 16-bit ones stay where the files have them.
  explicit CompactModel(ModelFiles files);
  /// `files`: the student's, with its norms and embedding; `layers`: in module order, on the CPU. Layers that
  /// cannot be packed (other types than V2, tables of more than 16 entries) are dense. Usage error where
  /// packed is wanted and none can. Automatic: layers are computed in both forms for half a second, one token
  /// at a time.
  CompactModel(ModelFiles files, const std::vector<QuantLayer*>& layers, WeightFormat wanted);

  Decoder& decoder() { return decoder_; }
  const CompactFacts& facts() const { return facts_; }

 private:
  void take_head(const ModelFiles& files);

  Decoder decoder_;
  CompactFacts facts_;
};

}  // namespace anemll
