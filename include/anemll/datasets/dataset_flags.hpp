// The options that name a text, for every program that reads one: declared, defaulted and understood in one
// place.
#pragma once

#include "anemll/core/options.hpp"
#include "anemll/datasets/dataset.hpp"

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

struct DatasetFlags {
  std::optional<std::string> name;            ///< a mixture (src/datasets/mixture.hpp); none: no text is read
  RecordFormat format = RecordFormat::plain;  ///< of parts that name none
  std::string text_field = "text";
  std::optional<std::string> config;  ///< configuration of the data set
  std::string split = "train";
  std::string revision = "main";  ///< on the hub

  /// How each part is read, as far as these options say.
  DatasetOptions reading() const;
};

/// The options that say more of a text than its name, and `more` behind them: where no data set is read they
/// are given for nothing.
std::vector<const char*> dataset_details_and(std::initializer_list<const char*> more);

/// --dataset_name and its details, bound to `flags`.
void add_dataset_options(OptionTable& table, DatasetFlags& flags);

}  // namespace anemll
