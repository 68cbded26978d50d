// Rows of tokens that models are run on, out of a KD cache or of a text.
#pragma once

#include "anemll/data/kd_cache.hpp"

#include <cstdint>
#include <span>
#include <string>

#include <ATen/core/Tensor.h>

namespace anemll {

struct TokenRows {
  at::Tensor ids;   ///< [B, L] int64, on the CPU
  at::Tensor mask;  ///< [B, L] uint8, 1 where a position counts; undefined when all do
  std::int64_t rows() const { return ids.size(0); }
};

TokenRows token_rows(const KdBatch& batch);

/// The first rows of `length` tokens of a text, at most `rows`; what is left of the text is not looked at. A
/// text of fewer tokens is one shorter row. Data errors, which name `where`: an empty text, and an id that a
/// model of `vocab_size` lacks.
TokenRows token_rows(std::span<const std::int32_t> ids, std::int64_t rows, std::int64_t length,
                     std::int64_t vocab_size, const std::string& where);

}  // namespace anemll
