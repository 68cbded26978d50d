// A tokenizer.json of the Qwen2 kind as the metadata of a GGUF file.
#pragma once

#include "anemll/core/file.hpp"
#include "tests/support/gguf_writer.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll::test {

/// Tokens, merges, the chat template beside the file, and `eos` as the end of a text.
inline GgufWriter& put_tokenizer(GgufWriter& writer, const std::filesystem::path& folder,
                                 const std::string& eos) {
  constexpr std::int32_t kNormal = 1, kControl = 3, kUserDefined = 4;
  const auto json = nlohmann::json::parse(read_text(folder / "tokenizer.json"));
  std::vector<std::string> tokens, merges;
  std::vector<std::int32_t> types;
  const auto put = [&](const std::string& token, std::size_t id, std::int32_t type) {
    if (tokens.size() <= id) {
      tokens.resize(id + 1);
      types.resize(id + 1);
    }
    tokens[id] = token;
    types[id] = type;
  };
  for (const auto& [token, id] : json["model"]["vocab"].items()) put(token, id.get<std::size_t>(), kNormal);
  for (const auto& added : json["added_tokens"]) {
    put(added["content"].get<std::string>(), added["id"].get<std::size_t>(),
        added["special"].get<bool>() ? kControl : kUserDefined);
  }
  for (const auto& pair : json["model"]["merges"])
    merges.push_back(pair[0].get<std::string>() + " " + pair[1].get<std::string>());
  writer.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "qwen2");
  writer.texts("tokenizer.ggml.tokens", tokens).i32s("tokenizer.ggml.token_type", types);
  writer.texts("tokenizer.ggml.merges", merges);
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id] == eos) writer.u32("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(id));
  }
  return writer.text("tokenizer.chat_template", read_text(folder / "chat_template.jinja"));
}

}  // namespace anemll::test
