// Who owns a folder into which a program writes: what lies in it, by tables of file names per kind of
// product; whether the program may write there; and how the results of an earlier run step aside whole. One
// process, one thread.
#pragma once

#include "src/core/file_lock.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anemll {

/// What an entry of the folder is to the program that writes there.
enum class EntryRole {
  result,     ///< made by an earlier run of this program (or its model in Python): steps aside for a new run
  described,  ///< like result, but a source in the folder may need it: stays until the new run replaces it
  prepared,   ///< of a work folder: what its work depends on, worth nothing before there is work
  leftover,   ///< a temporary of a writer that was killed: removed
  foreign,    ///< somebody else's, and the new files would mix with it: the folder is refused
  other,      ///< anything else: left as it is
};

struct EntryRule {
  /// A file name in which '*' stands for any text and '#' for digits; a '/' at its end means a folder.
  std::string_view pattern;
  EntryRole role = EntryRole::other;
  std::string_view what;  ///< for messages: "a model's weights"
  /// The rule counts only where this holds; for names that say too little.
  bool (*holds)(const std::filesystem::path& entry) = nullptr;
};

/// What one kind of program makes. The first rule that fits an entry counts; without one it is `other`.
struct Product {
  std::string_view name;  ///< "a training run"
  std::span<const EntryRule> rules;
  std::string_view lock;  ///< file in the folder; empty: the folder itself is locked, and no file is left
};

const Product& training_run();
const Product& snapped_model();
const Product& converted_checkpoint();
/// A model folder that is being made: see work_folder.hpp.
const Product& merged_model_work();
const Product& kd_cache_files();
/// A cache that is being made: see work_folder.hpp.
const Product& kd_cache_work();
/// A start that is being made: see src/start/start_work.hpp.
const Product& start_work();
/// Moments that are being made.
const Product& moments_work();

/// `name` alone, without a look at the file.
bool matches(std::string_view pattern, std::string_view name);
/// The number at the first '#' of a pattern that has no '*' before it; nothing when the name does not match
/// or has more than 18 digits there.
std::optional<std::int64_t> number_in(std::string_view pattern, std::string_view name);
/// The rule that fits the entry, or nothing.
const EntryRule* rule_of(const Product& product, const std::filesystem::path& entry);
/// Removes the entries of `folder` whose names fit one of the patterns.
void sweep(const std::filesystem::path& folder, std::span<const std::string_view> patterns);

class OutputFolder {
 public:
  /// `flag` is named in hints. `own_names`: files that this run will write under names that no table knows.
  OutputFolder(std::filesystem::path folder, const Product& product, std::string flag,
               std::vector<std::string> own_names = {});
  /// The lock goes, and so do folders that `take` made where nothing was written into them.
  ~OutputFolder() { release(); }
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  /// A file that the new run reads is no reason to refuse the folder it lies in, whatever its name.
  void accept(std::filesystem::path source) { accepted_.push_back(std::move(source)); }
  /// Makes the folder this process's: refuses a foreign one before anything is made in it, makes it, locks
  /// it, ends what a killed process had begun to move, removes leftovers. `goes_on`: the folder holds a run
  /// that is continued, so foreign entries were accepted when it began. Usage errors: foreign, locked.
  void take(bool goes_on = false);
  void release();

  /// Entries of that role, sorted by name.
  std::vector<std::filesystem::path> entries(EntryRole role) const;
  /// Moves all results into earlier-<n> and returns that folder; nothing when there are none. A killed move
  /// is ended by the next `take`. `stays`: files that also keep their path, such as the new run's source
  /// (a hard link; a copy where there are none).
  std::optional<std::filesystem::path> set_aside(const std::vector<std::filesystem::path>& stays = {});
  /// Moves one entry into an earlier-<n> of its own.
  std::filesystem::path set_aside_one(const std::string& name);

  const std::filesystem::path& path() const { return folder_; }

 private:
  EntryRole role_of(const std::filesystem::path& entry) const;
  void refuse_foreign() const;
  void finish_moves() const;
  std::filesystem::path next_earlier() const;
  std::vector<std::filesystem::path> results() const;
  bool is_kept_already(const std::filesystem::path& file) const;

  std::filesystem::path folder_;
  const Product& product_;
  std::string flag_;
  std::vector<std::string> own_names_;
  std::vector<std::filesystem::path> accepted_;
  std::vector<std::filesystem::path> made_;  // by `take`
  FileLock lock_;
};

}  // namespace anemll
