// Everything that anemll_allocate can be told.
#pragma once

#include "anemll/core/options.hpp"
#include "src/allocate/sensitivity.hpp"
#include "src/core/option_effects.hpp"
#include "src/eval/eval_text.hpp"
#include "src/source/recorded_model.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

struct AllocateOptions {
  std::string model_name;
  ModelFlags model;  ///< without id: the model is model_name
  std::string output;
  bool overwrite = false;
  std::optional<std::string> sensitivity;  ///< none: beside the output

  std::optional<double> bits_target;  ///< bits of a weight of the linears
  std::optional<double> size_target;  ///< MiB of all
  std::int64_t scale_bits = 8;
  std::string bits = "1,2,3,4";
  std::string ranks = "2,4,8";

  std::vector<std::string> texts, records, caches;
  EvalTextOptions text;
  std::string work_dir = ".";

  SensitivityOptions measured;
  std::int64_t threads = 0;
  double work_timeout = 1800;

  /// Where the measurement is kept.
  std::string sensitivity_file() const;
};

OptionTable make_allocate_table(AllocateOptions& options);
/// Usage errors for what cannot be meant; fills in measured.widths.
void check_allocate_options(AllocateOptions& options);
std::vector<OptionEffect<AllocateOptions>> allocate_option_effects();

}  // namespace anemll
