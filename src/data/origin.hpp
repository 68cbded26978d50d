// Who made a cache, as its provenance tells: the keys of this program's own under "anemll" in the meta text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace anemll {

/// Empty where the key is absent or no text.
struct CacheOrigin {
  std::string plan;  ///< digest of the options; with the next two: which start of which run
  std::string tokens_sha256;
  std::string created_utc;
  std::string teacher_model;
  std::string teacher_fingerprint;
  std::string tokenizer_sha256;
  bool operator==(const CacheOrigin&) const = default;
};

/// `meta_json`: the reference's meta.json, or `meta` of index.json. Nothing when another program made the
/// cache.
std::optional<CacheOrigin> cache_origin(std::string_view meta_json);

}  // namespace anemll
