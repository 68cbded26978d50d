// Whether the ids of a KD cache are those of the model that is to use it. A cache says how many ids its
// teacher had, and, where anemll_precompute made it, what a few of them mean.
#pragma once

#include "anemll/data/kd_cache.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace anemll {

struct GgufFile;

/// The model whose ids they should be.
struct ModelIds {
  std::int64_t rows = 0;             ///< of its embedding
  std::filesystem::path model = {};  ///< folder or .gguf file, for its tokenizer; empty: it is not looked at
  const GgufFile* gguf = nullptr;    ///< the file where somebody has parsed it
};

/// Of an OpenModel, whose room knows nothing of caches.
template <class Opened>
ModelIds ids_of(const Opened& model) {
  return {model.architecture.vocab_size, model.path, model.gguf.get()};
}

enum class TokenMatch { same, unknown, other };

struct TokenVerdict {
  TokenMatch match = TokenMatch::unknown;
  std::string problem;  ///< why they are others
};

/// `other`: the tokenizers give most ids another meaning; or both are known only by their digests, which
/// differ; or nothing is known of one, and the numbers of ids are further apart than any padding. Models pad
/// their vocabularies differently, so that another number alone is no reason. A tokenizer that cannot be read
/// is an unknown one.
TokenVerdict compare_tokens(const KdCacheInfo& cache, const ModelIds& ids);

/// A command that makes the cache that the model needs.
std::string cache_advice(const KdCacheInfo& cache, const ModelIds& ids);

/// A data error that names `where` unless compare_tokens knows no reason against the cache.
void require_own_tokens(const KdCacheInfo& cache, const ModelIds& ids, const std::string& where);

}  // namespace anemll
