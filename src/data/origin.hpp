// Who made a cache, as its provenance tells: the keys of this program's own under "anemll" in the meta text.
#pragma once

#include "src/text/token_samples.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

/// Empty where the key is absent or no text.
struct CacheOrigin {
  std::string plan;  ///< digest of the options; with the next two: which start of which run
  std::string tokens_sha256;
  std::string created_utc;
  std::string teacher_model;
  std::string teacher_fingerprint;
  std::string tokenizer_sha256;
  std::vector<TokenSample> token_samples;  ///< of that tokenizer
  bool operator==(const CacheOrigin&) const = default;
};

/// `meta_json`: the reference's meta.json, or `meta` of index.json. Nothing when another program made the
/// cache.
std::optional<CacheOrigin> cache_origin(std::string_view meta_json);

/// Rows of the hold-out part that come from one data set; they lie together, in this order.
struct HoldoutSource {
  std::string name;  ///< empty where the cache names none: then it is one source
  std::int64_t sequences = 0;
  bool operator==(const HoldoutSource&) const = default;
};

/// Those of a cache whose hold-out part has `sequences` rows. Sources without a row are left out.
std::vector<HoldoutSource> holdout_sources(std::string_view meta_json, std::int64_t sequences);

}  // namespace anemll
