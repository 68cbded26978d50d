// The options of a program as the config of an experiment, for people who compare runs.
#pragma once

#include <string>

namespace anemll {

/// `options_json`: as OptionTable::json() writes it. The names are those that Python code would use
/// (batch_size); what is not set is left out. A JSON object.
std::string tracked_config(const std::string& options_json);

}  // namespace anemll
