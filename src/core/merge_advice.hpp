// What to do with a folder that holds an adapter in place of a model.
#pragma once

#include "src/core/shell_word.hpp"

#include <filesystem>
#include <string>

namespace anemll {

/// How to get the model that an adapter of the Python library peft changes.
inline std::string merge_advice(const std::filesystem::path& folder) {
  const std::string script = "from peft import AutoPeftModelForCausalLM as M; M.from_pretrained(" +
                             python_text(folder.string()) + ").merge_and_unload().save_pretrained(\"NEW\")";
  return "merge it into its base model: python3 -c " + shell_word(script) +
         ", copy the tokenizer's files to NEW, and give NEW";
}

}  // namespace anemll
