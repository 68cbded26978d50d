// anemll_infer: a prompt to an answer, or a dialogue.
#include "anemll/core/log.hpp"
#include "src/core/signals.hpp"
#include "src/core/tool.hpp"
#include "src/tools/infer_chat.hpp"
#include "src/tools/infer_model.hpp"
#include "src/tools/infer_options.hpp"

#include <cstdint>
#include <random>

namespace {

using namespace anemll;

/// Short enough to be typed again.
std::int64_t new_seed() {
  return std::random_device()() % 1'000'000'000;
}

int infer(int argc, char** argv) {
  InferOptions options;
  OptionTable table = make_infer_table(options);
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  check_infer_options(options);
  InferModel model = open_infer_model(options, table);
  const std::int64_t seed = options.seed ? *options.seed : new_seed();
  InferChat chat(model, options, static_cast<std::uint64_t>(seed));
  if (options.interactive) {
    chat.dialogue();
  } else {
    chat.answer(*options.prompt);
  }
  chat.tell_ranges();
  if (!options.seed && !options.chooses_greedily())
    log_info(strf("--seed %lld repeats this", static_cast<long long>(seed)));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_tool([&] {
    anemll::prepare_signals(anemll::ProgramKind::filter);
    return infer(argc, argv);
  });
}
