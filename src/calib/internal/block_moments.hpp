// The pass of a model over rows of text, block by block: the rows of a rank stand behind some block, and the
// next block moves them on, with or without the moments of its linears. The weights of one block are in
// memory at a time.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/model/model_files.hpp"
#include "src/calib/calibration_text.hpp"
#include "src/calib/moment_sum.hpp"
#include "src/calib/token_weigher.hpp"
#include "src/model/decoder.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace anemll {

/// The linears of a block that get the same inputs.
struct SharedInput {
  std::vector<std::string> linears;
  MomentSum::Result sum;
};

class BlockPass {
 public:
  /// All must outlive it. Embeds the rows of this rank's share.
  BlockPass(const ModelFiles& model, const TextRows& rows, SequenceShare share);

  /// Moves the rows behind the next block. `each` is called after every row.
  void advance(const std::function<void()>& each);
  /// The same, and the moments of its linears, in the order of the model. Collective.
  std::vector<SharedInput> advance(const TokenWeigher& weigher, bool full, const std::function<void()>& each,
                                   Communicator& comm);

 private:
  class Probe;

  void load();
  void unload();
  Stream run(std::int64_t row);
  at::Tensor mask_of(std::int64_t row) const;

  const ModelFiles& model_;
  const TextRows& rows_;
  SequenceShare share_;
  Decoder decoder_;
  std::size_t next_ = 0;            // block
  std::vector<Probe*> probes_;      // of the loaded block, by LayerLinear; owned by its slots
  std::vector<at::Tensor> hidden_;  // [1, L, H] fp32 of each row of the share
};

}  // namespace anemll
