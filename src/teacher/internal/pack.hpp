// Documents to packed blocks: every text is tokenised, ended with the end-of-text id, concatenated, and cut
// into blocks of exactly L tokens (the reference's cache script). Whole documents go to the hold-out part,
// chosen by a hash of their content, so that copies of a document stay together and no variant crosses over.
#pragma once

#include "anemll/datasets/dataset.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/teacher/variants.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

struct PackOptions {
  std::int64_t length = 64;  ///< L
  std::int64_t blocks = 0;   ///< wanted for training; reading stops there
  double holdout = 0;        ///< share of the documents
  std::uint64_t seed = 0;    ///< of that choice
  std::optional<ChatTemplate> chat;
  Thinking thinking = Thinking::off;
  bool thinking_asked = false;  ///< the user chose that, it is not the default
  std::int64_t vocabulary = 0;  ///< rows of the teacher's embedding: ids must be below; 0: not checked
  /// The number behind the last file of each data set. Each then has hold-out blocks of its own, which lie
  /// together in this order. Empty: all files are one data set.
  std::vector<std::size_t> ends;
  std::int64_t samples = 0;  ///< documents whose texts are kept to be looked at
};

struct PackedText {
  std::int64_t blocks = 0;
  std::int64_t holdout_blocks = 0;
  std::vector<std::int64_t> holdout_by_set;  ///< the same by data set
  std::int64_t documents = 0;                ///< of both parts
  std::int64_t holdout_documents = 0;
  std::int64_t tokens = 0;          ///< of both parts, with those of unfinished blocks
  std::int64_t holdout_tokens = 0;  ///< of them those held out
  std::string sha256;               ///< of the ids as they are written
  Inventory inventory;              ///< what became of the parts of conversations
  struct Source {
    std::int64_t documents = 0;
    std::int64_t tokens = 0;
  };
  std::vector<Source> sources;  ///< by the index of Dataset::files
  struct Sample {
    std::string where;
    std::vector<std::int32_t> ids;  ///< of one text, as it is packed
  };
  std::vector<Sample> samples;
};

/// Writes int32 ids, little-endian: the training blocks, then those of the hold-out part. Atomic. Without a
/// file they are only counted. A token that the embedding has no row for is a data error that names it.
PackedText pack_documents(Dataset& dataset, const TextModel& text, const PackOptions& options,
                          const std::optional<std::filesystem::path>& file,
                          const std::function<void(std::int64_t blocks)>& progress);

}  // namespace anemll
