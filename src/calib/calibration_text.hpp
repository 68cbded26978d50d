// The rows of tokens that a model is calibrated on: out of data sets, each with its share, or out of a KD
// cache. Rank 0 reads, and all ranks get the same.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/datasets/dataset_flags.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/calib/moments_file.hpp"
#include "src/data/cache_tokens.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

struct CalibrationTextOptions {
  DatasetFlags dataset;
  HubOptions hub;                        ///< for the data sets
  std::optional<std::string> cache;      ///< or a KD cache
  std::filesystem::path work_dir = ".";  ///< where .pt shards of a cache are imported once

  std::int64_t length = 512;      ///< tokens of a row; rows of a cache are as long as they are
  std::int64_t rows = 128;        ///< wanted for calibration
  std::int64_t holdout_rows = 0;  ///< wanted beside them, of other documents
  double holdout = 0;             ///< share of the documents that they come from; 0: by the numbers of rows
  std::uint64_t seed = 0;         ///< of that choice and of the shuffle
};

struct TextRows {
  at::Tensor ids;                       ///< [S, L] int64, on the CPU
  at::Tensor mask;                      ///< [S, L] uint8, 1 where a token counts; undefined when all do
  std::vector<std::int64_t> source_of;  ///< by row, an index into CalibrationText::sources
  std::int64_t count() const { return ids.defined() ? ids.size(0) : 0; }
};

struct CalibrationText {
  TextRows rows;     ///< sources take turns by their shares
  TextRows holdout;  ///< likewise; no document gives tokens to both
  std::vector<TextSource> sources;
  std::string sha256;  ///< of `rows`
};

/// Documents become text as in anemll_precompute: conversations by the model's own template, without
/// thinking. When no source is plain, every other conversation is its messages with blank lines between them
/// instead: text of one kind alone calibrates worse. Each text ends with the end-of-text token; the texts of
/// a source are joined and cut into rows. A plain document of more than 64 KiB is a corpus: it is cut at line
/// ends into documents of 8 KiB. Sources with too little text give fewer rows, and that is told. `text`: read
/// by rank 0 alone, only for data sets. Data errors: no row, an id that the model has not, a cache of another
/// vocabulary. Collective.
CalibrationText read_calibration_text(const CalibrationTextOptions& options, const TextModel* text,
                                      const ModelIds& ids, Communicator& comm);

}  // namespace anemll
