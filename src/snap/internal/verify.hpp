// Reads a snapped file again and scores it the way each consumer multiplies its tensors, against the trained
// model.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "src/export/ane_layout.hpp"
#include "src/snap/report.hpp"
#include "src/student/student.hpp"

#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// The evaluation's fixed temperature.
inline constexpr double kSnapTemperature = 2.0;
/// How far a weight may be from the trained one by rounding: two half roundings per product of the scales,
/// 2^-11 each, and as much again for cancellation between ranks.
inline constexpr double kSnapWeightTolerance = 2e-3;

/// The student's linears with their float weights. The student must outlive them.
std::vector<SnapLayer> snap_layers(Student& student);

struct SnapVerifyOptions {
  SnapOptions snap;
  std::optional<KdBatch> samples;  ///< absent: no loss is measured, effective weights are compared
  at::Device device = at::kCPU;
};

/// `written`: the tensors of the snapped file. The trained model is scored in fp32 with nothing rounded.
/// Fills scores, layers, gate and what decides about passing. The gate is `raw` for the universal layout, and
/// the reference's own loader for the reference layout, whose raw product is not the trained model by design.
SnapReport verify_snap(Student& student, const TensorMap& written, const SnapVerifyOptions& options);
/// The model whose every tensor but those of the linears comes from the written file.
ModelFiles reread_model(const ModelFiles& trained, const TensorMap& written);

}  // namespace anemll
