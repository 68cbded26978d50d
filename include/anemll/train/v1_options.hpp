// What anemll_train_v1 alone can be told. Names and defaults follow the V1 trainer of the Python reference;
// everything else of a run is in TrainOptions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace anemll {

struct V1Options {
  std::optional<std::string> init_state;  ///< file, or folder with model_state_dict.pt or best_state_dict.pt

  std::int64_t lut_size = 16;
  std::int64_t scale_rank = 4;  ///< 0: a scale for each weight
  bool quantize_attn = false;
  std::int64_t attn_lut_size = 0;     ///< 0: as the MLP's
  std::int64_t attn_group_size = 0;   ///< 0: as the MLP's
  std::int64_t attn_scale_rank = -1;  ///< -1: as the MLP's

  bool train_weights = false;
  bool train_scales = false;

  bool snap_weights = false;
  bool snap_bake_scales = false;
  bool skip_training = false;
};

}  // namespace anemll
