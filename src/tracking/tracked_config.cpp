#include "src/tracking/tracked_config.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace anemll {

std::string tracked_config(const std::string& options_json) {
  const auto options = nlohmann::json::parse(options_json, nullptr, false);
  nlohmann::json config = nlohmann::json::object();
  if (!options.is_object()) return config.dump();
  for (const auto& [name, value] : options.items()) {
    std::string key = name;
    std::ranges::replace(key, '-', '_');
    if (!value.is_null()) config[key] = value;
  }
  return config.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace anemll
