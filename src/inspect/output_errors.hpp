// Errors of outputs on real activations: each linear and each block of a student gets the inputs that the
// unquantised model gives it, so that no layer answers for those before it.
#pragma once

#include "anemll/model/model_files.hpp"
#include "src/inspect/error_sums.hpp"
#include "src/inspect/figure.hpp"
#include "src/inspect/token_rows.hpp"
#include "src/student/student.hpp"

#include <cstdint>
#include <span>
#include <vector>

#include <c10/core/Device.h>

namespace anemll {

/// One layer of the decoder: attention and MLP.
struct BlockStatistics {
  std::int64_t block = 0;
  ErrorSums own;     ///< of what the block adds to the stream, on the unquantised model's stream
  ErrorSums stream;  ///< of the stream behind it, after all quantised blocks so far
};
std::span<const Column<BlockStatistics>> block_columns();

struct OutputErrors {
  std::vector<ErrorSums> linears;  ///< as Student::layers()
  std::vector<BlockStatistics> blocks;
};

/// One pass over the tokens of `rows`, in fp32; positions that the mask leaves out do not count. `model`: the
/// unquantised one, of the student's architecture; its weights are read from the files at each use, so no
/// copy of the model is made. The student must be set to evaluation.
OutputErrors output_errors(const ModelFiles& model, Student& student, const TokenRows& rows,
                           at::Device device);

}  // namespace anemll
