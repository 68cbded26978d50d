// The table of families.
#include "src/model/internal/families.hpp"

#include <algorithm>

namespace anemll {
namespace {

using enum BiasRule;

constexpr std::array kFamilies{
    Family{
        .name = "llama",
        .class_name = "LlamaForCausalLM",
        .biases = {attention_key, attention_key, attention_key, attention_key, mlp_key, mlp_key, mlp_key},
        .gguf_pairs = true,
    },
    Family{
        .name = "qwen2",  // and Qwen2.5
        .class_name = "Qwen2ForCausalLM",
        .biases = {always, always, always, never, never, never, never},
        .windows = true,
    },
    Family{
        .name = "qwen3",
        .class_name = "Qwen3ForCausalLM",
        .biases = {attention_key, attention_key, attention_key, attention_key, never, never, never},
        .qk_norm = true,
        .head_dim = 128,
        .windows = true,
    },
};

}  // namespace

std::span<const Family> known_families() {
  return kFamilies;
}

const Family* find_family(std::span<const Family> families, std::string_view name) {
  const auto found = std::find_if(families.begin(), families.end(),
                                  [name](const Family& family) { return family.name == name; });
  return found == families.end() ? nullptr : &*found;
}

std::string family_names(std::span<const Family> families) {
  std::string names;
  for (const Family& family : families) {
    if (!names.empty()) names += ", ";
    names += family.name;
  }
  return names;
}

bool uses(const Family& family, BiasRule rule) {
  return std::find(family.biases.begin(), family.biases.end(), rule) != family.biases.end();
}

}  // namespace anemll
