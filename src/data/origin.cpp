#include "src/data/origin.hpp"

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

std::string text_at(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
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
                     text_at(*ours, "tokenizer_sha256")};
}

}  // namespace anemll
