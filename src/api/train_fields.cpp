#include "src/api/internal/train_fields.hpp"

#include "anemll/core/error.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using nlohmann::json;

/// The model that is trained says all this.
constexpr auto kOfSource = std::to_array<std::string_view>(
    {"from-scratch", "v1-checkpoint", "v2-checkpoint", "model-id", "model-revision", "config", "mlp-lut",
     "mlp-rank", "attn-lut", "attn-rank", "layer-overrides", "group-size", "expand-rank", "fast-init",
     "svd-floor", "positive-scales", "init", "freeze-all"});

json values_of(TrainOptions options) {
  return json::parse(make_train_table(options).json());
}

/// "--name=value", or the flag.
std::string word_of(const std::string& name, const json& value) {
  if (value.is_boolean()) return (value.get<bool>() ? "--" : "--no-") + name;
  return "--" + name + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
}

/// Lets the parser of the flags look at every value that is not the default.
void parse_again(const json& values, const std::vector<std::string>& given) {
  std::vector<std::string> words{"train_e2e"};
  for (const std::string& name : given) {
    const json& value = values.at(name);
    if (!value.is_array()) {
      words.push_back(word_of(name, value));
      continue;
    }
    for (const json& one : value) words.push_back(word_of(name, one));
  }
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  TrainOptions parsed;
  make_train_table(parsed).parse(static_cast<int>(arguments.size()), arguments.data(), /*tell=*/false);
}

}  // namespace

TrainOptions checked_fields(const TrainOptions& told) {
  TrainOptions options = told;
  const json values = values_of(told), defaults = values_of(TrainOptions());
  for (const auto& [name, value] : values.items()) {
    if (value != defaults.at(name) && !options.is_given(name)) options.given.push_back(name);
  }
  for (const std::string& name : options.given) {
    if (std::find(kOfSource.begin(), kOfSource.end(), name) != kOfSource.end())
      throw_usage(
          "the model is the source of the run", "the field of --" + name,
          "leave it at its default: replace_linear_with_anemll_v2 and load_v2_checkpoint make the model");
  }
  parse_again(values, options.given);
  settle_text(options);
  return options;
}

}  // namespace anemll
