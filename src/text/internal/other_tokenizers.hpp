// Tokenizers that are not read, and what to do about them. Any thread.
#pragma once

#include <filesystem>

namespace anemll::text {

/// Of every tokenizer that is no byte-level BPE.
inline constexpr const char* kByteLevelModel =
    "use a model with byte-level BPE, of the kinds of Llama 3, Qwen, SmolLM, GPT-2, DeepSeek, Falcon and "
    "StarCoder; or train on a cache that was made elsewhere (anemll_train --cache-dir)";

/// For a folder without tokenizer.json: a data error that says what is there in its place, by content, and
/// whether a tokenizer.json can be made of it.
[[noreturn]] void fail_without_tokenizer(const std::filesystem::path& folder);

}  // namespace anemll::text
