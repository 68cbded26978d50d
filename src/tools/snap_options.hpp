// Everything that anemll_snap can be told.
#pragma once

#include "anemll/core/options.hpp"
#include "anemll/model/compute_options.hpp"
#include "src/core/option_effects.hpp"
#include "src/export/ane_layout.hpp"
#include "src/snap/snap_folder.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

struct SnapToolOptions {
  std::string checkpoint;
  std::string output;  ///< empty: nothing is written
  bool fp16 = false;
  bool ane = false;
  AneLayout layout = AneLayout::universal;
  SnapFormat format = SnapFormat::torch;
  bool positive_scales = false;
  std::int64_t scale_bits = 16;
  std::int64_t lut_bits = 2;
  std::int64_t attn_lut_bits = 4;
  std::int64_t scale_rank = 32;
  std::int64_t attn_scale_rank = 8;
  std::optional<std::string> model_id;
  std::optional<std::string> model_revision;
  std::optional<std::string> cache_dir;
  std::int64_t samples = 40;
  bool test = true;
  std::int64_t test_tokens = 32;
  DeviceChoice device = DeviceChoice::automatic;
  bool strict = false;
  bool debug = false;
};
/// Options that only some snaps read.
OptionTable make_snap_table(SnapToolOptions& options);
std::vector<OptionEffect<SnapToolOptions>> snap_option_effects();

}  // namespace anemll
