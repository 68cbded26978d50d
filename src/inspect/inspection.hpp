// All figures of a student's layers, worst first: what a program prints and what a run logs.
#pragma once

#include "anemll/model/model_files.hpp"
#include "src/inspect/layer_statistics.hpp"
#include "src/inspect/output_errors.hpp"
#include "src/student/student.hpp"

#include <limits>
#include <vector>

#include <c10/core/Device.h>

namespace anemll {

struct Inspection {
  std::vector<LayerStatistics> layers;  ///< worst first
  std::vector<BlockStatistics> blocks;  ///< in their order; none without rows
};

/// `model`: the unquantised one. `rows`: tokens to measure outputs on; null: weights alone. Gradients that
/// are there count times `gradient_scale`. The student must be set to evaluation.
Inspection inspect_layers(Student& student, const ModelFiles& model, const TokenRows* rows, at::Device device,
                          double gradient_scale);

}  // namespace anemll
