// anemll_infer: a prompt to an answer, a dialogue, or a file of prompts to a file of answers.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/log.hpp"
#include "src/comm/watched_ranks.hpp"
#include "src/core/signals.hpp"
#include "src/core/tool.hpp"
#include "src/tools/infer_batch.hpp"
#include "src/tools/infer_chat.hpp"
#include "src/tools/infer_model.hpp"
#include "src/tools/infer_options.hpp"

#include <cstdint>
#include <random>
#include <string>

namespace {

using namespace anemll;

/// Short enough to be typed again.
std::int64_t new_seed() {
  return std::random_device()() % 1'000'000'000;
}

/// What of the weights decides an answer beside the seed, where it was measured.
std::string chosen_format(const InferModel& model) {
  if (!model.compact || model.compact->facts().dense_rate == 0) return {};
  return strf(" --weight-format %s", choice_name(model.compact->facts().format).c_str());
}

void infer(const InferOptions& options, const OptionTable& table) {
  InferModel model = open_infer_model(options, table);
  const std::int64_t seed = options.seed ? *options.seed : new_seed();
  InferChat chat(model, options, static_cast<std::uint64_t>(seed));
  if (options.interactive) {
    chat.dialogue();
  } else {
    chat.answer(*options.prompt);
  }
  chat.tell_ranges();
  if (!options.seed && !options.chooses_greedily()) {
    log_info(strf("--seed %lld%s repeats this", static_cast<long long>(seed), chosen_format(model).c_str()));
  }
}

}  // namespace

int main(int argc, char** argv) {
  bool many = false;
  const int code = run_tool([&] {
    prepare_signals(ProgramKind::filter);
    InferOptions options;
    OptionTable table = make_infer_table(options);
    if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
    check_infer_options(options);
    many = options.batch.has_value();
    if (!many) {
      require_one_process("anemll_infer without --batch");
      infer(options, table);
    }
    return 0;
  });
  if (!many) return code;
  // Ranks are for files alone: one answer starts without MPI.
  InferOptions options;
  OptionTable table = make_infer_table(options);
  return run_watched(
      argc, argv, table, options.work_timeout, [&](bool) { check_infer_options(options); },
      [&](Communicator& comm, MpiRuntime::Host host) {
        find_for_ranks(options, table, comm);
        infer_batch(options, table, comm, host);
        return 0;
      });
}
