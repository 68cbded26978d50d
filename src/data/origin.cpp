#include "src/data/origin.hpp"

#include <limits>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

std::string text_at(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Pairs of an id and its text. What is none of these is passed over: later versions may tell more.
std::vector<TokenSample> samples_at(const nlohmann::json& object, const char* key) {
  std::vector<TokenSample> samples;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return samples;
  for (const auto& pair : *found) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number_unsigned() || !pair[1].is_string())
      continue;
    const auto id = pair[0].get<std::uint64_t>();
    if (id <= std::uint64_t{std::numeric_limits<std::int32_t>::max()})
      samples.push_back({static_cast<std::int32_t>(id), pair[1].get<std::string>()});
  }
  return samples;
}

/// As they are written there, or nothing.
std::vector<HoldoutSource> recorded_sources(std::string_view meta_json) {
  const auto meta = nlohmann::json::parse(meta_json, nullptr, /*allow_exceptions=*/false);
  const auto ours = meta.find("anemll");
  if (ours == meta.end() || !ours->is_object()) return {};
  const auto sources = ours->find("sources");
  if (sources == ours->end() || !sources->is_array()) return {};
  std::vector<HoldoutSource> found;
  for (const auto& source : *sources) {
    const auto rows = source.find("holdout_sequences");
    if (rows == source.end() || !rows->is_number_unsigned()) return {};
    found.push_back({text_at(source, "name"), rows->get<std::int64_t>()});
  }
  return found;
}

}  // namespace

std::optional<CacheOrigin> cache_origin(std::string_view meta_json) {
  const auto meta = nlohmann::json::parse(meta_json, nullptr, /*allow_exceptions=*/false);
  const auto ours = meta.find("anemll");  // end() where it is no object
  if (ours == meta.end() || !ours->is_object()) return std::nullopt;
  return CacheOrigin{text_at(*ours, "plan"),
                     text_at(*ours, "tokens_sha256"),
                     text_at(meta, "created_utc"),
                     text_at(meta, "teacher_model"),
                     text_at(*ours, "teacher_fingerprint"),
                     text_at(*ours, "tokenizer_sha256"),
                     samples_at(*ours, "token_samples")};
}

std::vector<HoldoutSource> holdout_sources(std::string_view meta_json, std::int64_t sequences) {
  std::vector<HoldoutSource> sources = recorded_sources(meta_json);
  std::int64_t left = sequences;
  for (const HoldoutSource& source : sources) {
    if (source.sequences < 0 || source.sequences > left) return {{"", sequences}};
    left -= source.sequences;
  }
  if (left != 0 || sources.empty()) return {{"", sequences}};
  std::erase_if(sources, [](const HoldoutSource& source) { return source.sequences == 0; });
  return sources;
}

}  // namespace anemll
