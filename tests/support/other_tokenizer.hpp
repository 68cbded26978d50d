// A model folder with the nano model's weights and a tokenizer whose ids mean other tokens, as many as
// before.
#pragma once

#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

namespace anemll::test {

/// Ids from `first` on change places with those from the end of the vocabulary: the first with the last.
/// Added tokens stay.
inline void write_model_with_other_ids(const std::filesystem::path& folder, int first = 256) {
  namespace fs = std::filesystem;
  fs::create_directories(folder);
  for (const char* name :
       {"config.json", "model.safetensors", "tokenizer_config.json", "chat_template.jinja"})
    fs::copy_file(golden(std::string("nano/") + name), folder / name);
  auto json = nlohmann::json::parse(read_text(golden("nano/tokenizer.json")));
  auto& vocabulary = json["model"]["vocab"];
  const int last = static_cast<int>(vocabulary.size()) - 1;
  for (auto& id : vocabulary)
    if (id.template get<int>() >= first) id = first + last - id.template get<int>();
  write_file(folder / "tokenizer.json", json.dump());
}

}  // namespace anemll::test
