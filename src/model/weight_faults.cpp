#include "src/model/internal/weight_faults.hpp"

#include "anemll/core/error.hpp"
#include "src/core/merge_advice.hpp"
#include "src/core/shell_word.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace anemll {
namespace fs = std::filesystem;
namespace {

/// Parts of names that the Python library peft writes: of the base that it wraps, and of what it adds.
constexpr std::array<std::string_view, 9> kAdapterParts{
    ".lora_",       ".base_layer.",      ".ia3_l",           ".hada_w", ".lokr_w", ".oft_",
    ".vera_lambda", ".modules_to_save.", ".original_module."};

}  // namespace

void refuse_adapters(const FoundMap& found, const fs::path& model) {
  for (const auto& [name, entry] : found) {
    const bool added =
        std::any_of(kAdapterParts.begin(), kAdapterParts.end(),
                    [&name = name](std::string_view part) { return name.find(part) != std::string::npos; });
    if (!added) continue;
    const bool alone = fs::exists(model / "adapter_config.json");
    throw_data("LoRA adapters beside base weights are not merged, such as tensor " + name,
               entry.file.string(),
               alone ? merge_advice(model)
                     : "in the Python program that made the model, call "
                       "model.merge_and_unload().save_pretrained(\"NEW\") of the PEFT model and "
                       "tokenizer.save_pretrained(\"NEW\"), then give NEW");
  }
}

void refuse_empty(const std::string& name, const Found& found) {
  if (found.tensor.numel() != 0) return;
  const fs::path folder = found.file.parent_path();
  const std::string place = folder.empty() ? "." : folder.string();
  throw_data(
      "tensor " + name + " is empty (" + found.tensor.describe() + "), as DeepSpeed ZeRO-3 leaves tensors",
      found.file.string(),
      fs::exists(folder / "zero_to_fp32.py")
          ? "collect the weights: cd " + shell_word(place) +
                " && python3 zero_to_fp32.py . OUT, copy config.json and the tokenizer's files to OUT, "
                "and give OUT"
          : "collect the weights with python3 zero_to_fp32.py . OUT, in the folder of the checkpoint that "
            "DeepSpeed wrote; or train with stage3_gather_16bit_weights_on_model_save and save again");
}

}  // namespace anemll
