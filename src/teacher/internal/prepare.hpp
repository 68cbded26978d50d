// Everything before the teacher runs: names to files, text to blocks, options to a plan. Rank 0 only.
#pragma once

#include "anemll/datasets/dataset.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/teacher/precompute.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/datasets/mixture.hpp"
#include "src/teacher/internal/pack.hpp"
#include "src/teacher/internal/workspace.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

/// A usage error when --hub-cache names a KD cache: elsewhere --cache-dir does.
void check_hub_cache(const PrecomputeOptions& options);

/// What a run reads, but for the text.
struct TeacherInputs {
  HubSnapshot at;
  ModelFiles model;
  TextModel text;
  std::optional<ChatTemplate> chat;  ///< none for plain texts, and where the user wants none
  Inventory parts;                   ///< what became of the files, tensors, keys and tokens
};
TeacherInputs open_teacher(const PrecomputeOptions& options);

/// The data set, read and packed.
struct PackedDataset {
  std::string commit;  ///< of a data set on the hub; of several with commas
  struct Part {
    MixturePart of;
    std::int64_t documents = 0, tokens = 0;  ///< of both parts of the cache
    std::int64_t holdout_rows = 0;
  };
  std::vector<Part> parts;  ///< the data sets
  std::vector<std::filesystem::path> files;
  DatasetReport report;
  PackedText packed;
  /// What became of the parts of all of it.
  Inventory inventory;
};
/// Writes the tokens to `file`, or counts them only. `samples`: documents to keep.
PackedDataset pack_dataset(const PrecomputeOptions& options, const TeacherInputs& teacher,
                           const std::optional<std::filesystem::path>& file, std::int64_t samples = 0);
/// The sizes of the cache.
CacheShape shape_of(const PrecomputeOptions& options, const ModelFiles& teacher);
/// Training rows that come of so many blocks: the reference drops unfinished batches.
std::int64_t rows_of(const PrecomputeOptions& options, std::int64_t blocks);

struct Prepared {
  std::unique_ptr<Workspace> workspace;
  std::string teacher_path;  ///< folder or .gguf file
  ModelFiles teacher;        ///< opened from there, for the pass
};

/// `dtype`: the resolved one. What is left out of the inputs is told, or an error with --strict. Packs the
/// text and starts the plan unless the workspace has one already.
Prepared prepare_precompute(const PrecomputeOptions& options, const std::string& dtype, int threads);

}  // namespace anemll
