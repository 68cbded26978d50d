// Everything that anemll_snap can be told, and the folder that it writes into.
#pragma once

#include "anemll/core/choices.hpp"
#include "anemll/core/options.hpp"
#include "anemll/model/compute_options.hpp"
#include "src/core/option_effects.hpp"
#include "src/core/output_folder.hpp"
#include "src/export/ane_layout.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// The form of the file.
enum class SnapFormat {
  torch,   ///< what the ANEMLL converters read
  packed,  ///< as small as the codes are, for the programs of this project
};
inline constexpr auto kSnapFormats = std::to_array<Choice<SnapFormat>>({
    {SnapFormat::torch, "torch"},
    {SnapFormat::packed, "packed"},
});
constexpr std::span<const Choice<SnapFormat>> choices_of(SnapFormat) {
  return kSnapFormats;
}

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

/// The file that --output means: itself when it ends as the format's files do, else the format's file in that
/// folder: model_state_dict.pt, packed.safetensors.
std::filesystem::path snap_target(const std::string& output, SnapFormat format);

/// The folder of the file, made, locked and checked. A usage error when it holds the checkpoint, a model or
/// other weights, because the converters would merge them into the model. An earlier snap steps aside when
/// the caller says so (OutputFolder::set_aside).
std::unique_ptr<OutputFolder> take_snap_folder(const std::filesystem::path& target,
                                               const std::filesystem::path& checkpoint);

}  // namespace anemll
