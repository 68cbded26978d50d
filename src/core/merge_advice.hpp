// What to do with a folder that holds an adapter in place of a model.
#pragma once

#include <filesystem>
#include <string>

namespace anemll {

/// How to get the model that an adapter of the Python library peft changes.
inline std::string merge_advice(const std::filesystem::path& folder) {
  return "merge it into its base model: python3 -c 'from peft import AutoPeftModelForCausalLM as M; "
         "M.from_pretrained(\"" +
         folder.string() +
         "\").merge_and_unload().save_pretrained(\"NEW\")', copy the tokenizer's files to NEW, and give NEW";
}

}  // namespace anemll
