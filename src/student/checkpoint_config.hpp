// config.json beside a checkpoint: the keys that our own checkpoints share, whoever writes them.
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

/// How a V2 file's begins: version, model, preset, numbers of the quantisation.
nlohmann::ordered_json checkpoint_config(const QuantSpec& spec, const ModelToRecord& model);
/// How a V1 file's begins, with the reference's keys. Readers know such a config by quantize_attn.
nlohmann::ordered_json v1_checkpoint_config(const QuantSpec& spec, const ModelToRecord& model);
/// How a V2 file's ends: what a consumer that assumes otherwise would read as another model.
void add_reading_rules(nlohmann::ordered_json& config, const QuantSpec& spec);
/// The text of the file, indent 2.
std::string config_text(const nlohmann::ordered_json& config);

}  // namespace anemll
