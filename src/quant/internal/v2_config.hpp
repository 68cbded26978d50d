// The numbers that fix what a V2 layer computes. Torch-free, so that file and option code can share them.
#pragma once

#include <cstdint>

namespace anemll {

struct V2Config {
  std::int64_t lut_size = 16;
  std::int64_t rank = 4;
  std::int64_t group_size = 32;
  bool force_positive_scales = false;  ///< abs(A), abs(B) before normalisation
  double magnitude_eps = 1e-6;
  double norm_eps = 1e-6;
};

}  // namespace anemll
