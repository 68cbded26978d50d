// anemll_snap: read a trained checkpoint, write it for the ANEMLL converters, read it again and score it.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/safetensors.hpp"
#include "anemll/hub/hub.hpp"
#include "src/core/scratch_folder.hpp"
#include "src/core/signals.hpp"
#include "src/core/tool.hpp"
#include "src/data/first_rows.hpp"
#include "src/export/ane_config.hpp"
#include "src/export/ane_layout.hpp"
#include "src/export/packed_file.hpp"
#include "src/export/programs.hpp"
#include "src/formats/told_write.hpp"
#include "src/hub/recorded_id.hpp"
#include "src/model/compute.hpp"
#include "src/quant/packed_layer.hpp"
#include "src/quant/scale_grid.hpp"
#include "src/source/garbled.hpp"
#include "src/source/recorded_model.hpp"
#include "src/student/student.hpp"
#include "src/tools/snap_answers.hpp"
#include "src/tools/snap_grid.hpp"
#include "src/tools/snap_options.hpp"
#include "src/tools/snap_positive.hpp"
#include "src/tools/snap_report.hpp"
#include "src/tools/snap_verify.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace anemll;
namespace fs = std::filesystem;

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

/// The tensors of a file that is not written.
TensorMap in_memory(const std::vector<LazyTensor>& tensors) {
  TensorMap map;
  for (const LazyTensor& tensor : tensors) {
    leave_on_signal("making the snap", "nothing was written: run the same command again");
    map.set(tensor.name, tensor.alias_of.empty() ? tensor.make() : *map.find(tensor.alias_of));
  }
  return map;
}

std::int64_t most_bits(const QuantSpec& spec, bool mlp) {
  std::int64_t most = 0;
  for (const QuantSpec::Entry& entry : spec.entries()) {
    if (entry.mlp == mlp) most = std::max(most, entry.quant.bits());
  }
  return most;
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

/// What was wrong with the file, as the error of the program.
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

int snap(int argc, char** argv) {
  SnapToolOptions options;
  OptionTable table = make_snap_table(options);
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  require_one_process("anemll_snap");
  const V2Checkpoint checkpoint = open_v2_checkpoint(options.checkpoint);
  refuse_adapters(checkpoint);
  tell_unread(unread_options(snap_option_effects(), options,
                             [&](const std::string& name) { return table.given(name); }));
  const bool writes = !options.output.empty();
  const bool packed = options.format == SnapFormat::packed;
  require_scale_bits(options.scale_bits);
  const fs::path target = writes ? snap_target(options.output, options.format) : fs::path();
  const std::unique_ptr<OutputFolder> folder =
      writes ? take_snap_folder(target, options.checkpoint) : nullptr;

  SnapVerifyOptions verify;
  verify.snap = {packed ? AneLayout::universal : options.layout, packed || options.fp16 || options.ane};

  set_compute_threads(0, 0, 1);
  verify.device = choose_device(options.device, 0, true);
  const auto [source, opened, model] =
      open_recorded_model({options.model_id, options.model_revision, options.device, options.strict}, table,
                          recorded_model(checkpoint), ModelUse::weights);
  const std::string& model_id = source.id;
  const ResolvedQuant quant = checkpoint_quant(checkpoint, model.architecture, {});
  for (const std::string& warning : quant.warnings) log_warning(warning);
  log_info("quantisation: " + quant.spec.describe() + " (" + quant.source + "), group " +
           std::to_string(quant.spec.group_size()));
  Student student = Student::from_checkpoint(model, checkpoint, quant.spec, /*ste=*/true, verify.device);
  tell_garbled(checkpoint, student, model.tensors);

  // Before anything is written: a cache of another model must not cost a snap.
  if (options.cache_dir) {
    std::optional<ScratchFolder> scratch;  // without --output nothing stays
    if (!writes) scratch.emplace();
    verify.samples =
        read_first_rows(*options.cache_dir, writes ? target.parent_path().parent_path() : scratch->path(),
                        options.samples, student.files().architecture.vocab_size);
  }
  tell_differences(said_numbers(table, options), quant.spec.usual());
  std::optional<PositiveCost> positive;
  if (options.positive_scales) positive = make_positive(student, verify.samples, verify.snap.half);
  std::optional<GridCost> grid;
  if (options.scale_bits == 8) grid = put_on_grid(student, verify.samples);

  CastCounts casts;
  const std::vector<TensorSpec> expected = expected_tensors(student.files().architecture);
  const std::vector<SnapLayer> layers = snap_layers(student);
  const std::string config = ane_config(
      quant.spec, verify.snap,
      {id_to_record(model_id), options.checkpoint, revision_to_record(model_id, source.hub.revision)});
  const TensorMap& others = student.files().tensors;
  const std::vector<LazyTensor> tensors = writes && packed
                                              ? packed_state_dict(expected, layers, others, casts)
                                              : ane_state_dict(expected, layers, others, verify.snap, casts);
  TensorMap written;
  if (!writes) {
    written = in_memory(tensors);
  } else if (packed) {
    leave_on_signal("writing the snap", "nothing was written: run the same command again");
    folder->set_aside();
    write_safetensors(target, tensors, packed_metadata(others, config));
    // What its readers make of it, in the form that is verified.
    Student reread =
        Student::from_checkpoint(model, open_v2_checkpoint(target), quant.spec, /*ste=*/true, verify.device);
    CastCounts counted;
    written = in_memory(
        ane_state_dict(expected, snap_layers(reread), reread.files().tensors, verify.snap, counted));
  } else {
    folder->set_aside();
    write_torch_file_told(target, tensors, "Writing " + target.string(), "writing the snap");
    write_file(target.parent_path() / "config.json", config);
    written = read_state_dict(target);
  }

  SnapReport report = verify_snap(student, written, verify);
  report.checkpoint = options.checkpoint;
  report.file = target.string();
  if (writes) report.file_bytes = fs::file_size(target);
  report.casts = casts;
  report.passed = report.passed && casts.beyond_half.empty();
  report.positive = positive;
  report.grid = grid;
  report.packed = packed;
  report.mix = mix_text(program_facts(model.architecture, quant.spec, !is_baked(options.layout)));
  measure_size(student, report);
  if (!packed)
    report.programs = program_verdicts(
        program_facts(model.architecture, quant.spec, !is_baked(options.layout)), kSnapWeightTolerance,
        [&report](Consumer consumer) { return report.error_of(consumer); });
  // Answers of a file that is wrong say nothing new.
  if (options.test && report.passed)
    report.answers = compare_answers(opened, model, student, written, table.given("test"),
                                     {options.test_tokens, verify.device});
  if (writes) write_file(target.parent_path() / "snap_report.json", report_json(report));
  std::string text = report_text(report, options.debug);
  if (writes && report.passed && packed)
    text += strf("One file, config.json and all: anemll_infer %s --interactive\n", target.c_str());
  if (writes && report.passed && !packed) {
    text +=
        "config.json beside the file belongs to it: where the one goes, the other goes too. Without it some "
        "programs read another model.\n";
    text +=
        converter_command({target.string(), fs::absolute(options.checkpoint).string(), id_to_record(model_id),
                           is_local(HubKind::model, model_id), model.architecture.family,
                           most_bits(quant.spec, true), most_bits(quant.spec, false)});
  }
  print_result(text);
  require_passed(report, writes ? target.string() : options.checkpoint);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_tool([&] {
    anemll::prepare_signals(anemll::ProgramKind::maker);
    return snap(argc, argv);
  });
}
