// See cache_tokens.hpp.
#include "src/data/cache_tokens.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/core/printable.hpp"
#include "src/core/shell_word.hpp"
#include "src/data/origin.hpp"

#include <algorithm>
#include <optional>

namespace anemll {
namespace {

/// Models pad to a multiple, and get some tokens more than the model that they were made of.
bool beyond_padding(std::int64_t a, std::int64_t b) {
  return std::min(a, b) < std::max(a, b) / 4 * 3;
}

}  // namespace

TokenVerdict compare_tokens(const KdCacheInfo& cache, const ModelIds& ids) {
  const CacheOrigin made_by = cache_origin(cache.meta_json).value_or(CacheOrigin{});
  const std::string& digest = made_by.tokenizer_sha256;
  const bool comparable = !digest.empty() && !ids.model.empty();
  if (const auto own = comparable ? find_text_model(ids.model, ids.gguf) : std::nullopt) {
    if (own->sha256 == digest) return {TokenMatch::same, {}};
    if (const auto sample = foreign_sample(made_by.token_samples, own->tokenizer)) {
      return {
          TokenMatch::other,
          strf("the cache is another tokenizer's: its id %d is %s, that of the model is %s", sample->id,
               in_quotes(sample->text).c_str(), in_quotes(token_text(own->tokenizer, sample->id)).c_str())};
    }
    if (!made_by.token_samples.empty()) return {TokenMatch::same, {}};
    constexpr std::size_t kShown = 12;
    return {TokenMatch::other, "the cache is another tokenizer's: its digest is " + digest.substr(0, kShown) +
                                   ", that of the model's " + own->sha256.substr(0, kShown)};
  }
  if (cache.vocab_size > 0 && ids.rows > 0 && beyond_padding(cache.vocab_size, ids.rows)) {
    return {TokenMatch::other,
            strf("the cache is another vocabulary's: it has %lld ids, the model %lld",
                 static_cast<long long>(cache.vocab_size), static_cast<long long>(ids.rows))};
  }
  return {};
}

std::string cache_advice(const KdCacheInfo& cache, const ModelIds& ids) {
  const std::string made_by = cache_origin(cache.meta_json).value_or(CacheOrigin{}).teacher_model;
  const std::string model = ids.model.empty() ? "MODEL" : shell_word(ids.model.string());
  return "make a cache for this model: anemll_precompute --teacher_model_name_or_path " + model +
         " --dataset_name TEXT --output_dir NEW" +
         (made_by.empty() ? "" : "; or give the model that it is of, " + printable(made_by));
}

void require_own_tokens(const KdCacheInfo& cache, const ModelIds& ids, const std::string& where) {
  const TokenVerdict verdict = compare_tokens(cache, ids);
  if (verdict.match == TokenMatch::other) throw_data(verdict.problem, where, cache_advice(cache, ids));
}

}  // namespace anemll
