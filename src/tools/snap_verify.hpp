// Reads a snapped file again and scores it the way each consumer multiplies its tensors, against the trained
// model.
#pragma once

#include "src/export/ane_layout.hpp"
#include "src/tools/snap_report.hpp"
#include "src/train/student.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// The student's linears with their float weights. The student must outlive them.
std::vector<SnapLayer> snap_layers(Student& student);

struct SnapVerifyOptions {
  SnapOptions snap;
  std::optional<std::filesystem::path>
      cache;  ///< as given: HDF5, or .pt shards that are imported under `work_dir`
  std::filesystem::path work_dir;
  std::int64_t samples = 40;
  at::Device device = at::kCPU;
};

/// The trained model is scored in fp32 with nothing rounded. Fills everything of the report but `checkpoint`
/// and `casts`. The gate is `raw` for the universal layout, and the reference's own loader for the reference
/// layout, whose raw product is not the trained model by design.
SnapReport verify_snap(Student& student, const std::filesystem::path& file, const SnapVerifyOptions& options);

}  // namespace anemll
