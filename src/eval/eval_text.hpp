// What models are scored on: windows of token ids out of texts, records and KD caches, each with its source.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/data/kd_cache.hpp"
#include "anemll/datasets/dataset.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/data/cache_tokens.hpp"
#include "src/score/windows.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace anemll {

struct EvalText {
  std::vector<ScoreWindow> windows;
  std::vector<std::size_t> source_of;  ///< by window, an index into `sources`
  std::vector<std::string> sources;    ///< as they were named
};

struct EvalTextOptions {
  WindowProtocol protocol;
  std::int64_t chunks = 20;  ///< windows of each source, from its start; 0: all
  RecordFormat format = RecordFormat::plain;
  std::string text_field = "text";
  std::vector<std::string> map = {};  ///< FIELD=COLUMN
  std::int64_t max_bad_records = 0;   ///< of each data set, passed over and told
  std::string template_date = {};     ///< of conversations; empty: without the template's line of a date
  bool tells = true;                  ///< what was passed over; of ranks that read the same one does
};

/// One UTF-8 file, which is one text. Data errors: no file, not UTF-8, too short for a window.
void add_text(EvalText& to, const std::string& file, const Tokenizer& tokenizer,
              const EvalTextOptions& options);

/// A data set (file, folder or pattern; .jsonl and the other types), or a mixture of some
/// (datasets/mixture.hpp) whose parts share `chunks`. Each document is a text of its own; what is too short
/// for a window is passed over and told. Conversations go through the model's chat template with thinking
/// switched off; those with a role that it has not are passed over and told. Data errors as Dataset::open;
/// none of its documents gives a window.
void add_records(EvalText& to, const std::string& datasets, const TextModel& text,
                 const EvalTextOptions& options);

/// Rows of a KD cache as they are: each is a window, of which every position counts whose next token is not
/// masked. .pt shards are imported once below `work_dir`, by rank 0. The hold-out part has `rows` of each
/// data set that it comes from, and each is a source. Data errors: a cache of another
/// vocabulary than that of `ids`. Collective.
void add_cache(EvalText& to, const std::string& cache, const std::filesystem::path& work_dir,
               const ModelIds& ids, std::int64_t rows, Communicator& comm,
               CachePart part = CachePart::training);

/// Data errors for a model that cannot run over them: ids that it has not, more tokens than it takes.
void require_fit(std::span<const ScoreWindow> windows, std::int64_t vocab_size, std::int64_t max_positions,
                 const std::string& model);

}  // namespace anemll
