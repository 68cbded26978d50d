// anemll_snap: read a trained checkpoint, write it for the ANEMLL converters, read it again and score it.
#include "anemll/core/log.hpp"
#include "anemll/hub/hub.hpp"
#include "src/core/scratch_folder.hpp"
#include "src/core/shell_word.hpp"
#include "src/core/signals.hpp"
#include "src/core/tool.hpp"
#include "src/data/first_rows.hpp"
#include "src/export/programs.hpp"
#include "src/hub/recorded_id.hpp"
#include "src/model/compute.hpp"
#include "src/quant/scale_grid.hpp"
#include "src/snap/report.hpp"
#include "src/snap/snap.hpp"
#include "src/source/garbled.hpp"
#include "src/source/recorded_model.hpp"
#include "src/student/student.hpp"
#include "src/tools/snap_options.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

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

std::int64_t most_bits(const QuantSpec& spec, bool mlp) {
  std::int64_t most = 0;
  for (const QuantSpec::Entry& entry : spec.entries()) {
    if (entry.mlp == mlp) most = std::max(most, entry.quant.bits());
  }
  return most;
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
  std::optional<SnapPlace> place;
  if (writes) place = take_snap_place(options.output, options.format, options.checkpoint);

  set_compute_threads(0, 0, 1);
  const at::Device device = choose_device(options.device, 0, true);
  const auto [source, opened, model] =
      open_recorded_model({options.model_id, options.model_revision, options.device, options.strict}, table,
                          recorded_model(checkpoint), ModelUse::weights);
  const std::string& model_id = source.id;
  const ResolvedQuant quant = checkpoint_quant(checkpoint, model.architecture, {});
  for (const std::string& warning : quant.warnings) log_warning(warning);
  log_info("quantisation: " + quant.spec.describe() + " (" + quant.source + "), group " +
           std::to_string(quant.spec.group_size()));
  Student student = Student::from_checkpoint(model, checkpoint, quant.spec, /*ste=*/true, device);
  tell_garbled(checkpoint, student, model.tensors);

  SnapRequest request;
  request.layout = options.layout;
  request.format = options.format;
  request.half = options.fp16 || options.ane;
  request.positive_scales = options.positive_scales;
  request.scale_bits = options.scale_bits;
  request.device = device;
  request.answers = options.test;
  request.answers_required = table.given("test");
  request.answer_tokens = options.test_tokens;
  request.facts = {id_to_record(model_id), options.checkpoint,
                   revision_to_record(model_id, source.hub.revision)};
  // Before anything is written: a cache of another model must not cost a snap.
  if (options.cache_dir) {
    std::optional<ScratchFolder> scratch;  // without --output nothing stays
    if (!writes) scratch.emplace();
    request.samples = read_first_rows(*options.cache_dir,
                                      writes ? place->target.parent_path().parent_path() : scratch->path(),
                                      options.samples, ids_of(opened));
  }
  tell_differences(said_numbers(table, options), quant.spec.usual());
  const SnapReport report = make_snap({opened, model, student}, request, place ? &*place : nullptr).report;

  std::string text = report_text(report, options.debug);
  if (writes && report.passed && packed)
    text += strf("One file, config.json and all: anemll_infer %s --interactive\n",
                 shell_word(place->target.string()).c_str());
  if (writes && report.passed && !packed) {
    text +=
        "config.json beside the file belongs to it: where the one goes, the other goes too. Without it some "
        "programs read another model.\n";
    text += converter_command({place->target.string(), fs::absolute(options.checkpoint).string(),
                               id_to_record(model_id), is_local(HubKind::model, model_id),
                               model.architecture.family, most_bits(quant.spec, true),
                               most_bits(quant.spec, false)});
  }
  print_result(text);
  require_passed(report, writes ? place->target.string() : options.checkpoint);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_tool([&] {
    anemll::prepare_signals(anemll::ProgramKind::maker);
    return snap(argc, argv);
  });
}
