// What users may say about a start that is made out of the teacher and a text: the options that anemll_init
// and anemll_train share, declared once.
#pragma once

#include "anemll/core/options.hpp"

#include <cstdint>

namespace anemll {

enum class StartMethod;  // src/solve/solve.hpp; the first is svd
enum class TokenWeight;  // src/calib/token_weights.hpp; the first is norm

struct StartFlags {
  StartMethod init{};
  std::int64_t calibration_tokens = std::int64_t{1} << 16;
  TokenWeight token_weight{};
  double target_correction = 0.5;  ///< 0: none
};

/// --init, --calibration-tokens, --token-weight, --target-correction.
void add_start_options(OptionTable& table, StartFlags* flags);

}  // namespace anemll
