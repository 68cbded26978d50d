// anemll_allocate: what each group of linears costs a model when it is quantised, and the bits and ranks that
// lose least within a size.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/allocate/allocation.hpp"
#include "src/allocate/sensitivity.hpp"
#include "src/comm/watched_ranks.hpp"
#include "src/core/option_effects.hpp"
#include "src/core/result_files.hpp"
#include "src/core/shell_word.hpp"
#include "src/core/tool.hpp"
#include "src/eval/eval_text.hpp"
#include "src/eval/model_size.hpp"
#include "src/score/text_score.hpp"
#include "src/source/find_model.hpp"
#include "src/source/model_agreement.hpp"
#include "src/source/model_place.hpp"
#include "src/source/recorded_model.hpp"
#include "src/tools/allocate_options.hpp"
#include "src/tools/allocate_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace anemll;

NamedModel find_plain(const AllocateOptions& o, const OptionTable& table, Communicator& comm) {
  const ModelPlace place = place_of_model(o.model_name);
  if (!place.weights)
    throw_usage("is a checkpoint", o.model_name,
                "give the model that is to be quantised: its folder or hub name");
  ModelFlags flags = o.model;
  flags.id = place.weights;
  return find_recorded_model(flags, table, {}, ModelUse::weights, comm);
}

EvalText read_sources(const AllocateOptions& o, const NamedModel& model, Communicator& comm) {
  EvalText all;
  if (!o.texts.empty() || !o.records.empty()) {
    const std::filesystem::path path =
        model.opened.gguf
            ? model.opened.path
            : std::filesystem::path(find_model(model.name.id, model.name.hub, ModelUse::text, comm));
    const TextModel text = load_text_model(path, TokenizerRules::as_written, model.opened.gguf.get());
    on_root(comm, [&] { text.inventory.tell(model.name.id, o.model.strict); });
    for (const std::string& file : o.texts) add_text(all, file, text.tokenizer, o.text);
    for (const std::string& records : o.records) add_records(all, records, text, o.text);
  }
  for (const std::string& cache : o.caches)
    add_cache(all, cache, o.work_dir, ids_of(model.opened), o.text.chunks, comm);
  return all;
}

/// Bits of all linears that the target leaves.
std::int64_t budget_of(const AllocateOptions& o, const std::vector<LinearSpec>& linears, double others) {
  // More than any model takes, and what a number of 64 bits holds.
  constexpr double kMost = 0x1p60;
  if (o.size_target)
    return static_cast<std::int64_t>(
        std::clamp(std::floor(*o.size_target * 8 * (1 << 20) - others), -kMost, kMost));
  double weights = 0;
  for (const LinearSpec& linear : linears)
    weights += static_cast<double>(linear.out) * static_cast<double>(linear.in);
  return static_cast<std::int64_t>(std::floor(*o.bits_target * weights));
}

int measure_and_choose(AllocateOptions& o, const OptionTable& table, const MpiRuntime::Host& host,
                       Communicator& comm) {
  o.text.tells = comm.is_root();
  std::optional<ResultFiles> results;
  on_root(comm, [&] {
    results.emplace(std::vector{o.output}, o.overwrite, KeptFile{"--sensitivity", o.sensitivity_file()});
  });
  const at::Device device = prepare_compute(o.model, o.threads, host.rank, host.size);

  const NamedModel model = find_plain(o, table, comm);
  TextScorer scorer(read_sources(o, model, comm).windows);
  require_fit(scorer.windows(), model.opened.architecture.vocab_size, model.opened.architecture.max_positions,
              o.model_name);
  const ModelFiles files = load_named_model(model, o.model.strict, comm);
  if (comm.size() > 1) {
    Agreement inputs = agreement_on_files();
    inputs.add("text", scorer.digest());
    add_model_facts(inputs, "model", files);
    inputs.check(comm);
  }
  const std::vector<LinearSpec> linears = body_linears(files.architecture);

  const SensitivityKey key{files.fingerprint, scorer.digest(), o.measured.probe, o.measured.layers};
  const std::filesystem::path kept = o.sensitivity_file();
  Sensitivities known = read_sensitivities(kept, key, o.overwrite, comm);
  const Sensitivities found = measure_sensitivities(
      files, scorer, o.measured, std::move(known), device,
      [&](const Sensitivities& so_far) { write_sensitivities(kept, key, so_far); }, comm);

  const double others = other_bits(files.architecture);
  const AllocationRequest request{linears, o.measured, o.scale_bits, budget_of(o, linears, others)};
  const Allocation chosen = allocate_widths(request, found);
  const auto is_widest = [&](const LinearWidth& width) { return width == o.measured.widths.back(); };
  if (std::ranges::all_of(chosen.widths, is_widest))
    log_info("every linear has the largest width of --bits and --ranks; the target leaves room for more");
  on_root(comm, [&] {
    write_file(o.output, allocation_json(request, chosen));
    std::string text = allocation_text(files.architecture, request, found, chosen, others);
    text += strf("Train from it: anemll_train --from-scratch --model-id %s --layer-overrides %s\n",
                 shell_word(o.model_name).c_str(), shell_word(o.output).c_str());
    print_result(text);
  });
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  AllocateOptions o;
  OptionTable table = make_allocate_table(o);
  return run_watched(
      argc, argv, table, o.work_timeout,
      [&](bool is_root) {
        check_allocate_options(o);
        const auto given = [&](const std::string& name) { return table.given(name); };
        if (is_root) tell_unread(unread_options(allocate_option_effects(), o, given));
      },
      [&](Communicator& comm, MpiRuntime::Host host) { return measure_and_choose(o, table, host, comm); });
}
