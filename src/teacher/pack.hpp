// Documents to packed blocks: every text is tokenised, ended with the end-of-text id, concatenated, and cut
// into blocks of exactly L tokens (the reference's cache script). Whole documents go to the hold-out part,
// chosen by a hash of their content, so that copies of a document stay together and no variant crosses over.
#pragma once

#include "anemll/datasets/dataset.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/teacher/variants.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace anemll {

struct PackOptions {
  std::int64_t length = 64;  ///< L
  std::int64_t blocks = 0;   ///< wanted for training; reading stops there
  double holdout = 0;        ///< share of the documents
  std::uint64_t seed = 0;    ///< of that choice
  std::optional<ChatTemplate> chat;
  Thinking thinking = Thinking::off;
};

struct PackedText {
  std::int64_t blocks = 0;
  std::int64_t holdout_blocks = 0;
  std::int64_t documents = 0;  ///< of both parts
  std::int64_t holdout_documents = 0;
  std::int64_t tokens = 0;  ///< of both parts, with those of unfinished blocks
  std::string sha256;       ///< of the file
};

/// Writes int32 ids, little-endian: the training blocks, then those of the hold-out part. Atomic.
PackedText pack_documents(Dataset& dataset, const TextModel& text, const PackOptions& options,
                          const std::filesystem::path& file,
                          const std::function<void(std::int64_t blocks)>& progress);

}  // namespace anemll
