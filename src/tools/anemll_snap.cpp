// anemll_snap: read a trained checkpoint, write it for the ANEMLL converters, read it again and score it.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/hub/hub.hpp"
#include "src/core/signals.hpp"
#include "src/core/tool.hpp"
#include "src/data/first_rows.hpp"
#include "src/export/ane_config.hpp"
#include "src/export/ane_layout.hpp"
#include "src/formats/told_write.hpp"
#include "src/hub/recorded_id.hpp"
#include "src/model/compute.hpp"
#include "src/source/recorded_model.hpp"
#include "src/student/student.hpp"
#include "src/tools/snap_options.hpp"
#include "src/tools/snap_report.hpp"
#include "src/tools/snap_verify.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace anemll;

SaidNumbers said_numbers(const OptionTable& table, const SnapToolOptions& o) {
  const auto said = [&table](const char* flag, std::int64_t value) {
    return table.given(flag) ? std::optional(value) : std::nullopt;
  };
  return {said("lut-bits", o.lut_bits), said("attn-lut-bits", o.attn_lut_bits),
          said("scale-rank", o.scale_rank), said("attn-scale-rank", o.attn_scale_rank)};
}

std::string more_of(std::size_t others) {
  return others == 0 ? "" : strf(", as have %zu other tensors", others);
}

int snap(int argc, char** argv) {
  SnapToolOptions options;
  OptionTable table = make_snap_table(options);
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  const V2Checkpoint checkpoint = open_v2_checkpoint(options.checkpoint);
  refuse_adapters(checkpoint);
  const ModelChoice source =
      choose_model(options.model_id, options.model_revision,
                   {checkpoint.keys.model_id, checkpoint.keys.model_revision, checkpoint.config});
  const std::string& model_id = source.id;
  tell_unread(unread_options(snap_option_effects(), SnapFacts{options, model_id},
                             [&](const std::string& name) { return table.given(name); }));
  const std::filesystem::path target = snap_target(options.output);
  const std::unique_ptr<OutputFolder> folder = take_snap_folder(target, options.checkpoint);

  SnapVerifyOptions verify;
  verify.snap = {options.layout, options.fp16 || options.ane};

  set_compute_threads(0, 1);
  verify.device = choose_device(options.device, 0, true);
  const ModelFiles model = load_model_files(fetch_model(model_id, source.hub, ModelUse::weights).path);
  model.inventory.tell(model_id, options.strict);
  const ResolvedQuant quant = checkpoint_quant(checkpoint, model.architecture, {});
  for (const std::string& warning : quant.warnings) log_warning(warning);
  log_info("quantisation: " + quant.spec.describe() + " (" + quant.source + "), group " +
           std::to_string(quant.spec.group_size()));
  Student student = Student::from_checkpoint(model, checkpoint, quant.spec, /*ste=*/true, verify.device);

  // Before anything is written: a cache of another model must not cost a snap.
  if (options.cache_dir) {
    verify.samples = read_first_rows(*options.cache_dir, target.parent_path().parent_path(), options.samples,
                                     student.files().architecture.vocab_size);
  }
  const std::vector<SnapLayer> layers = snap_layers(student);
  tell_differences(said_numbers(table, options), quant.spec.usual());
  CastCounts casts;
  folder->set_aside();
  write_torch_file_told(target,
                        ane_state_dict(expected_tensors(student.files().architecture), layers,
                                       student.files().tensors, verify.snap, casts),
                        "Writing " + target.string(), "writing the snap");
  write_file(target.parent_path() / "config.json",
             ane_config(quant.spec, verify.snap,
                        {id_to_record(model_id), options.checkpoint,
                         revision_to_record(model_id, source.hub.revision)}));

  SnapReport report = verify_snap(student, target, verify);
  report.checkpoint = options.checkpoint;
  report.casts = casts;
  report.passed = report.passed && casts.beyond_half.empty();
  write_file(target.parent_path() / "snap_report.json", report_json(report));
  std::fputs(report_text(report, options.debug).c_str(), stdout);
  if (!casts.beyond_half.empty()) {
    throw_numerics(
        casts.beyond_half.front() + " has values that fp16 cannot hold" +
            more_of(casts.beyond_half.size() - 1),
        target.string(),
        "do not convert this file: its readers make infinities of them. Train with a smaller --lr, "
        "or snap without --fp16; the universal layout multiplies scales and magnitudes first");
  }
  if (!report.passed) {
    throw_numerics("the snapped file is not the trained model", target.string(),
                   "snap_report.json beside it has the figures of every linear; do not convert this file");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_tool([&] {
    anemll::prepare_signals(anemll::ProgramKind::maker);
    return snap(argc, argv);
  });
}
