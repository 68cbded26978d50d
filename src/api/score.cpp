// Evaluation on a cache, and the snap.
#include "anemll/core/log.hpp"
#include "src/api/internal/model_impl.hpp"
#include "src/core/scratch_folder.hpp"
#include "src/data/first_rows.hpp"
#include "src/distill/sample_scores.hpp"
#include "src/snap/snap.hpp"
#include "src/student/v2_checkpoint.hpp"

#include <utility>

namespace anemll {
namespace fs = std::filesystem;
namespace {

KdBatch read_rows(const Model::Impl& impl, const fs::path& cache, const std::optional<fs::path>& work_dir,
                  std::int64_t samples, const char* function) {
  if (samples < 1)
    throw_usage(strf("samples %lld", static_cast<long long>(samples)), function, "give at least 1");
  std::optional<ScratchFolder> scratch;
  if (!work_dir) scratch.emplace();
  return read_first_rows(cache, work_dir ? *work_dir : scratch->path(), samples, ids_of(impl.given.opened));
}

SnapRequest request_of(const Model::Impl& impl, const AneSnapOptions& options,
                       const std::optional<SnapPlace>& place) {
  SnapRequest request;
  request.layout = options.layout;
  request.format = options.format;
  request.half = options.fp16;
  request.positive_scales = options.positive_scales;
  request.scale_bits = options.scale_bits;
  request.device = impl.device;
  request.facts = {impl.id, impl.given.source, impl.revision};
  if (!options.cache_dir) return request;
  std::optional<fs::path> work_dir;
  if (place) work_dir = place->target.parent_path().parent_path();
  request.samples = read_rows(impl, *options.cache_dir, work_dir, options.samples, "snap_model_for_ane_v2");
  return request;
}

}  // namespace

double evaluate_kd_loss(Model& model, const fs::path& cache_dir, const EvaluateOptions& options) {
  return as_errors([&] {
    Model::Impl& impl = model.impl();
    if (!(options.temperature > 0))
      throw_usage(strf("temperature %g", options.temperature), "evaluate_kd_loss", "give a number above 0");
    const KdBatch rows = read_rows(impl, cache_dir, options.work_dir, options.samples, "evaluate_kd_loss");
    const auto alone = make_single_communicator();
    return sample_kd_loss(impl.decoder(), rows, options.temperature, *alone);
  });
}

AneSnap snap_model_for_ane_v2(Model& model, const AneSnapOptions& options) {
  return as_errors([&] {
    Model::Impl& impl = model.impl();
    Student& student = impl.student("snap_model_for_ane_v2");
    std::optional<SnapPlace> place;
    if (!options.output.empty()) place = take_snap_place(options.output, options.format, impl.checkpoint);
    const SnapRequest request = request_of(impl, options, place);
    const OwnNumericsAfter after(impl);
    student.set_numerics({});  // the trained model, with nothing rounded
    Snap snap = make_snap({impl.given.opened, impl.given.base, student}, request, place ? &*place : nullptr);
    require_passed(snap.report, place ? place->target.string() : impl.given.source);
    AneSnap result;
    result.layers = impl.layers();
    if (place) result.file = place->target;
    result.trained_kd_loss = snap.report.trained_kd_loss;
    for (const ConsumerScore& score : snap.report.scores) {
      if (score.consumer != snap.report.gate) continue;
      result.weight_error = score.weight_error;
      result.file_kd_loss = score.kd_loss;
    }
    result.report = report_text(snap.report, /*with_layers=*/false);

    V2Checkpoint written;
    written.file = place ? place->target.string() : "the snap";
    written.tensors = std::move(snap.written);
    Student made = Student::from_checkpoint(impl.given.base, written, student.spec(), impl.ste, impl.device);
    impl.has_float_weights = options.format == SnapFormat::torch && !is_baked(options.layout);
    impl.take(std::move(made));
    return result;
  });
}

}  // namespace anemll
