// One saved state: what a run needs to go on as if it had never stopped. As an object, opened and checked
// once and handed on; and as the folder on disk: name, manifest, checked reading, copies.
#pragma once

#include "anemll/core/tensor.hpp"

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace anemll {

inline constexpr const char* kStateFormat = "anemll_train_state_v1";
inline constexpr const char* kStateParts[] = {"parameters.safetensors", "optimizer.safetensors",
                                              "trainer.json"};

/// The best evaluation: the state of that step, which is kept as long as a state refers to it.
struct BestState {
  std::int64_t step = 0;
  double loss = std::numeric_limits<double>::infinity();  ///< not finite where nothing was evaluated
  std::string sha256;                                     ///< of its parameters.safetensors
};

struct SavedState {
  std::int64_t step = 0;
  std::filesystem::path folder;
  TensorMap parameters, optimizer, frozen;
  std::string trainer_json;
  std::string frozen_entry;  ///< the manifest's words about the frozen file
  std::filesystem::path frozen_file;
  std::optional<BestState> best;  ///< absent in states of earlier versions
};

/// "step_00000100".
std::string state_folder_name(std::int64_t step);
/// Step of a complete-looking folder: step_00000100, or step_00000100.old, which a writer killed between two
/// renames leaves as the only copy.
std::optional<std::int64_t> step_of(const std::filesystem::path& folder);
/// Newest first; of one step the folder under its real name first.
std::vector<std::filesystem::path> step_folders(const std::filesystem::path& root);

/// Size and SHA-256 for a manifest.
nlohmann::json describe_file(const std::filesystem::path& file);
/// Data errors: missing, another size, another checksum.
void check_file(const std::filesystem::path& file, const nlohmann::json& expected);
/// manifest.json of a state; an empty object when it cannot be read.
nlohmann::json manifest_of(const std::filesystem::path& folder);
std::optional<BestState> best_of(const nlohmann::json& manifest);
nlohmann::json best_json(const BestState& best);

/// Everything of one state, checked: sums, and that the manifest is of the step that the folder is named
/// after. Data errors.
SavedState read_state_folder(const std::filesystem::path& folder);
/// A data error that names the first tensor with a value that is not finite, and the good state before this
/// one. Such a state is no torn file: the run itself wrote it, so nobody goes on from another in silence.
void require_finite_state(const SavedState& state);
/// Both.
SavedState load_state_folder(const std::filesystem::path& folder);

/// A file or folder that is being made under a name of its own: it goes, unless it becomes what it is for.
class Draft {
 public:
  /// Removes what lies there.
  explicit Draft(std::filesystem::path path);
  ~Draft();
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  const std::filesystem::path& path() const { return path_; }
  /// Renames it; durable.
  void become(const std::filesystem::path& place);

 private:
  std::filesystem::path path_;  ///< empty: it is no draft any more
};

/// The same state under another root, durable when it has its name. `share`: by hard links where there are
/// any; nobody writes into these files.
void copy_state_folder(const std::filesystem::path& from, const std::filesystem::path& to, bool share);

/// The tensors, each checked when it is made: a numerics error names the first with a value that is not
/// finite.
std::vector<LazyTensor> checked_finite(std::span<const LazyTensor> tensors, const std::string& where);

}  // namespace anemll
