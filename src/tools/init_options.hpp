// The options of anemll_init.
#pragma once

#include "anemll/core/options.hpp"
#include "anemll/datasets/dataset_flags.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/start/start_flags.hpp"
#include "src/solve/solve.hpp"
#include "src/student/v2_checkpoint.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace anemll {

struct InitSettings {
  std::string model_id, model_revision = "main";
  std::optional<std::string> hub_cache;
  bool local_files_only = false;
  std::string output;

  // Text: one of the two.
  DatasetFlags dataset;
  std::optional<std::string> cache_dir;
  std::int64_t max_length = 512;
  std::int64_t seed = 0;

  StartFlags start;                             ///< as make_init_table leaves it
  std::int64_t rounds = SolveOptions{}.rounds;  ///< of cd, with these steps
  bool descent = true, fit_b = true, fit_lut = true;
  std::optional<std::string> config;
  std::optional<std::string> layer_overrides;  ///< JSON file
  std::optional<std::int64_t> mlp_lut, mlp_rank, attn_lut, attn_rank;
  std::int64_t group_size = 32;
  bool ste = true;
  std::int64_t threads = 0;
  double work_timeout = 1800;
  bool strict = false, resume = false, overwrite = false;
};

/// Binds every option to `settings`, whose default start is cd.
OptionTable make_init_table(InitSettings& settings);

HubOptions hub_options(const InitSettings& settings, const std::string& revision);
QuantWishes wishes_of(const InitSettings& settings);

/// Usage error where the text is not named, or twice.
void check_init_settings(const InitSettings& settings);

/// One warning for each option that was given for nothing.
void tell_unread_init_options(const InitSettings& settings, const OptionTable& table);

}  // namespace anemll
