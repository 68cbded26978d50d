// Reads a snapped file again and scores it the way each consumer multiplies its tensors, against the trained
// model.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "src/export/ane_layout.hpp"
#include "src/student/student.hpp"
#include "src/tools/snap_report.hpp"

#include <filesystem>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// The student's linears with their float weights. The student must outlive them.
std::vector<SnapLayer> snap_layers(Student& student);

struct SnapVerifyOptions {
  SnapOptions snap;
  std::optional<KdBatch> samples;  ///< absent: no loss is measured, effective weights are compared
  at::Device device = at::kCPU;
};

/// The trained model is scored in fp32 with nothing rounded. Fills everything of the report but `checkpoint`
/// and `casts`. The gate is `raw` for the universal layout, and the reference's own loader for the reference
/// layout, whose raw product is not the trained model by design.
SnapReport verify_snap(Student& student, const std::filesystem::path& file, const SnapVerifyOptions& options);

}  // namespace anemll
