#include "src/snap/snap.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/safetensors.hpp"
#include "src/core/signals.hpp"
#include "src/export/packed_file.hpp"
#include "src/export/programs.hpp"
#include "src/formats/told_write.hpp"
#include "src/quant/packed_layer.hpp"
#include "src/quant/scale_grid.hpp"
#include "src/snap/internal/verify.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace anemll {
namespace fs = std::filesystem;
namespace {

std::string more_of(std::size_t others) {
  return others == 0 ? "" : strf(", as have %zu other tensors", others);
}

/// The tensors of a file that is not written.
TensorMap in_memory(const std::vector<LazyTensor>& tensors) {
  TensorMap map;
  for (const LazyTensor& tensor : tensors) {
    leave_on_signal("making the snap", "nothing was written: run the same command again");
    map.set(tensor.name, tensor.alias_of.empty() ? tensor.make() : *map.find(tensor.alias_of));
  }
  return map;
}

/// What the linears take in the packed file, whether one was written or not.
void measure_size(const Student& student, SnapReport& report) {
  double bits = 0;
  for (QuantLayer* layer : student.layers()) {
    bits += packed_bits(*layer);
    report.grid_layers += has_grid_scales(*layer) ? 1 : 0;
  }
  report.bits_per_weight = bits / static_cast<double>(student.body_weights());
}

/// Makes the file, and returns what its readers find in it.
TensorMap write_snap(const SnapSubject& subject, const SnapRequest& request, const SnapOptions& options,
                     const SnapPlace* place, CastCounts& casts) {
  Student& student = subject.student;
  const std::vector<TensorSpec> expected = expected_tensors(student.files().architecture);
  const std::vector<SnapLayer> layers = snap_layers(student);
  const TensorMap& others = student.files().tensors;
  const bool packed = request.format == SnapFormat::packed;
  if (place == nullptr) return in_memory(ane_state_dict(expected, layers, others, options, casts));
  const fs::path& target = place->target;
  const std::string config = ane_config(student.spec(), options, request.facts);
  if (!packed) {
    const std::vector<LazyTensor> tensors = ane_state_dict(expected, layers, others, options, casts);
    place->folder->set_aside();
    write_torch_file_told(target, tensors, "Writing " + target.string(), "writing the snap");
    write_file(target.parent_path() / "config.json", config);
    return read_state_dict(target);
  }
  const std::vector<LazyTensor> tensors = packed_state_dict(expected, layers, others, casts);
  leave_on_signal("writing the snap", "nothing was written: run the same command again");
  place->folder->set_aside();
  write_safetensors(target, tensors, packed_metadata(others, config));
  // What its readers make of it, in the form that is verified.
  Student reread = Student::from_checkpoint(subject.base, open_v2_checkpoint(target), student.spec(),
                                            /*ste=*/true, request.device);
  CastCounts counted;
  return in_memory(ane_state_dict(expected, snap_layers(reread), reread.files().tensors, options, counted));
}

}  // namespace

Snap make_snap(const SnapSubject& subject, const SnapRequest& request, const SnapPlace* place) {
  Student& student = subject.student;
  require_scale_bits(request.scale_bits);
  const bool packed = request.format == SnapFormat::packed;
  SnapVerifyOptions verify;
  verify.snap = {packed ? AneLayout::universal : request.layout, packed || request.half};
  verify.samples = request.samples;
  verify.device = request.device;

  std::optional<PositiveCost> positive;
  if (request.positive_scales) positive = make_positive(student, verify.samples, verify.snap.half);
  std::optional<GridCost> grid;
  if (request.scale_bits == 8) grid = put_on_grid(student, verify.samples);

  CastCounts casts;
  TensorMap written = write_snap(subject, request, verify.snap, place, casts);

  SnapReport report = verify_snap(student, written, verify);
  report.checkpoint = request.facts.source_checkpoint;
  if (place != nullptr) {
    report.file = place->target.string();
    report.file_bytes = fs::file_size(place->target);
  }
  report.casts = casts;
  report.passed = report.passed && casts.beyond_half.empty();
  report.positive = positive;
  report.grid = grid;
  report.packed = packed;
  measure_size(student, report);
  if (!packed) {
    report.programs = program_verdicts(
        program_facts(subject.base.architecture, student.spec(), !is_baked(request.layout)),
        kSnapWeightTolerance, [&report](Consumer consumer) { return report.error_of(consumer); });
  }
  // Answers of a file that is wrong say nothing new.
  if (request.answers && report.passed)
    report.answers = compare_answers(subject.opened, subject.base, student, written, request.answers_required,
                                     {request.answer_tokens, request.device});
  if (place != nullptr) write_file(place->target.parent_path() / "snap_report.json", report_json(report));
  return {std::move(report), std::move(written)};
}

void require_passed(const SnapReport& report, const std::string& where) {
  const CastCounts& casts = report.casts;
  if (!casts.beyond_half.empty()) {
    throw_numerics(
        casts.beyond_half.front() + " has values that fp16 cannot hold" +
            more_of(casts.beyond_half.size() - 1),
        where,
        "do not convert this file: its readers make infinities of them. Train with a smaller --lr, "
        "or snap without --fp16; the universal layout multiplies scales and magnitudes first");
  }
  if (!report.passed) {
    throw_numerics("the snapped file is not the trained model", where,
                   "snap_report.json beside it has the figures of every linear; do not convert this file");
  }
}

}  // namespace anemll
