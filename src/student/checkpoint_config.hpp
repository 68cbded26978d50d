// config.json beside a V2 checkpoint: the keys that our own checkpoints share, whoever writes them.
#pragma once

#include "anemll/quant/quant_spec.hpp"

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace anemll {

/// The model that a checkpoint is of, as its config.json records it (src/hub/recorded_id.hpp).
struct ModelToRecord {
  std::string id;
  std::optional<std::string> revision = {};
};

/// How a file begins: version, model, preset, numbers of the quantisation.
nlohmann::ordered_json checkpoint_config(const QuantSpec& spec, const ModelToRecord& model);
/// How it ends: what a consumer that assumes otherwise would read as another model.
void add_reading_rules(nlohmann::ordered_json& config, const QuantSpec& spec);
/// The text of the file, indent 2.
std::string config_text(const nlohmann::ordered_json& config);

}  // namespace anemll
