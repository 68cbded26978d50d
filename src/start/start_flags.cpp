#include "anemll/start/start_flags.hpp"

#include "src/start/start.hpp"

#include <string>

namespace anemll {

void add_start_options(OptionTable& table, StartFlags* flags) {
  table.add_choice(
      "init", &flags->init,
      "how scales and indices start: svd, from the weights alone, as the reference; als, least squares on "
      "the "
      "weights; als-act, each input weighted by its mean square; gptq, indices by error feedback, on the "
      "quantised model's own inputs; cd, gptq and then rounds of coordinate descent, scales and table");
  table.add("calibration-tokens", &flags->calibration_tokens, "tokens of text that such a start looks at", 1,
            std::int64_t{1} << 32);
  table.add_choice("token-weight", &flags->token_weight,
                   "what a token counts there; norm: 1 / squared norm of the block's output; fisher: squared "
                   "gradients of the loss, by a pass through the whole model");
  table.add("target-correction", &flags->target_correction,
            "of gptq and cd: the part of the error before a linear, in its inputs and in the stream that its "
            "output joins, that it makes up for; 0: none",
            0, 1);
}

StartOptions start_options(const StartFlags& flags, const InitOptions& init) {
  StartOptions options;
  options.solve.method = flags.init;
  options.solve.init = init;
  options.token_weight = flags.token_weight;
  options.correct_targets = flags.target_correction > 0;
  if (options.correct_targets) options.moments.correction = flags.target_correction;
  return options;
}

}  // namespace anemll
