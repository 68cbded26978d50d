// What a model says about how to sample from it, and which tokens end a text.
#pragma once

#include "anemll/core/inventory.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>

namespace anemll {

struct GenerationConfig {
  std::int64_t top_k = 50;  ///< of generation_config.json; else the default of transformers
  double top_p = 1;         ///< the same
  std::set<std::int32_t> stops;
  std::string stops_source;  ///< "generation_config.json", "config.json", "the tokenizer"
  Inventory inventory;       ///< keys that nothing here reads, for the caller to tell
};

/// `file`: generation_config.json, which need not be there. `config`: the text of config.json. The first that
/// names an end of text counts: the file, `config`, `tokenizer_eos`. Data errors name file and key.
GenerationConfig read_generation_config(const std::filesystem::path& file, const std::string& config,
                                        std::optional<std::int32_t> tokenizer_eos);

}  // namespace anemll
