// Everything that anemll_infer can be told.
#pragma once

#include "anemll/core/choices.hpp"
#include "anemll/core/options.hpp"
#include "anemll/model/compute_options.hpp"
#include "src/core/option_effects.hpp"
#include "src/infer/generation_config.hpp"
#include "src/infer/sampling.hpp"
#include "src/infer/weight_format.hpp"
#include "src/source/recorded_model.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// What the layers of a checkpoint are.
enum class LayerVersion {
  automatic,  ///< as their tensors say
  v1,
  v2,
};
inline constexpr auto kLayerVersions = std::to_array<Choice<LayerVersion>>({
    {LayerVersion::automatic, "auto"},
    {LayerVersion::v1, "v1"},
    {LayerVersion::v2, "v2"},
});
constexpr std::span<const Choice<LayerVersion>> choices_of(LayerVersion) {
  return kLayerVersions;
}

/// Where rank 0 found the models of the options.
struct FoundForRanks {
  LocatedModel weights;
  std::filesystem::path text;  ///< of plain weights whose tokenizer --model-id names
  bool tells = false;          ///< whether this rank tells of them: rank 0
};

struct InferOptions {
  std::string checkpoint;
  ModelFlags model;
  LayerVersion version = LayerVersion::automatic;
  SaidNumbers numbers;

  std::optional<std::string> prompt;
  bool interactive = false;
  std::optional<std::string> system;
  bool no_thinking = false;
  bool no_template = false;
  std::optional<std::string> chat_template;
  std::optional<std::string> template_date;

  std::int64_t max_tokens = 512;
  double temperature = 0.6;
  double repetition_penalty = 1.1;
  std::optional<std::int64_t> top_k;
  std::optional<double> top_p;
  bool greedy = false;
  bool sample = false;
  std::optional<std::int64_t> seed;

  std::optional<std::string> batch;  ///< prompts
  std::optional<std::string> out;    ///< their answers
  std::int64_t batch_size = 8;

  Precision precision = Precision::automatic;
  WeightFormat weight_format = WeightFormat::automatic;
  std::int64_t threads = 0;
  double work_timeout = 1800;
  bool factored = false;
  bool check = false;

  std::optional<FoundForRanks> found;  ///< none: one process, which looks itself

  bool chooses_greedily() const { return greedy || temperature == 0; }
};

OptionTable make_infer_table(InferOptions& options);
/// Usage errors for what cannot be meant together.
void check_infer_options(const InferOptions& options);

/// What decides whether an option is read.
struct InferFacts {
  const InferOptions& options;
  bool plain = false;     ///< no checkpoint: the model's own weights
  bool chat = false;      ///< prompts go through a chat template
  bool thinking = false;  ///< which has a switch for thinking
  bool compact = false;   ///< computed in fp32 on the CPU, where weights have a format
};
std::vector<OptionEffect<InferFacts>> infer_option_effects();

/// Options first, then what the model says.
SamplingOptions sampling_of(const InferOptions& options, const GenerationConfig& config);

}  // namespace anemll
