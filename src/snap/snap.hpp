// A trained model to a file for the ANEMLL converters, or to a packed one: made, written, read again, scored.
#pragma once

#include "anemll/core/tensor.hpp"
#include "anemll/data/kd_cache.hpp"
#include "anemll/model/model_files.hpp"
#include "src/export/ane_config.hpp"
#include "src/export/ane_layout.hpp"
#include "src/snap/report.hpp"
#include "src/snap/snap_folder.hpp"
#include "src/student/student.hpp"

#include <cstdint>
#include <optional>

#include <c10/core/Device.h>

namespace anemll {

struct SnapRequest {
  AneLayout layout = AneLayout::universal;  ///< of SnapFormat::torch
  SnapFormat format = SnapFormat::torch;
  bool half = true;  ///< a packed file always is
  bool positive_scales = false;
  std::int64_t scale_bits = 16;         ///< 8: scales on 8-bit grids
  std::optional<KdBatch> samples = {};  ///< to score with; absent: effective weights are compared
  at::Device device = at::kCPU;
  /// Greedy answers of both models, side by side; where the model has no tokenizer beside it nothing, or an
  /// error where they are required.
  bool answers = false, answers_required = false;
  std::int64_t answer_tokens = 32;
  AneConfigFacts facts = {};  ///< of config.json: the model and the checkpoint, which may be no file
};

/// The model that is snapped: as it was opened, before a checkpoint replaced tensors, and trained. Its layers
/// are replaced where scales are fitted anew or put on a grid.
struct SnapSubject {
  const OpenModel& opened;
  const ModelFiles& base;
  Student& student;
};

struct Snap {
  SnapReport report;
  TensorMap written;  ///< the tensors of the file, of a packed one as a snapped checkpoint has them
};

/// Writes the file and its config.json where there is a place; the report beside them once they are verified.
/// What was wrong with the file is in the report: require_passed throws it. Data and numerics errors of the
/// tensors; a signal is StopError.
Snap make_snap(const SnapSubject& subject, const SnapRequest& request, const SnapPlace* place);

/// A numerics error that names `where` when the file is not the trained model, or holds values beyond half.
void require_passed(const SnapReport& report, const std::string& where);

}  // namespace anemll
