// See work_folder.hpp. The lock ends with its process, however that ends: a marked folder without a living
// owner is a killed one's. Removal takes the mark last, so that a folder half removed is still known as ours.
#include "src/core/work_folder.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/internal/made_folders.hpp"
#include "src/core/system_error.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMark = "a work folder of anemll\n";
/// The result that makes room, until its successor is in place.
constexpr const char* kReplaced = "replaced";

void rename_path(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) {
    throw_system("cannot rename " + from.filename().string(), to, error,
                 "check that nothing else writes there");
  }
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw_system("cannot remove", path, error, "remove it by hand");
}

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) found.push_back(entry.path());
  return found;
}

/// The entry itself, or one in it.
bool holds_file(const fs::path& entry) {
  if (fs::is_symlink(entry) || !fs::is_directory(entry)) return true;
  const fs::recursive_directory_iterator inside(entry);
  return std::any_of(begin(inside), end(inside),
                     [](const fs::directory_entry& e) { return !e.is_directory(); });
}

}  // namespace

WorkFolder::WorkFolder(fs::path result, std::string_view suffix, const Product& product, std::string flag)
    : result_(std::move(result)), folder_(result_), product_(product), flag_(std::move(flag)) {
  folder_ += suffix;
}

fs::path WorkFolder::mark() const {
  return folder_ / product_.lock;
}
fs::path WorkFolder::replaced() const {
  return folder_ / kReplaced;
}
bool WorkFolder::is_there() const {
  return has_name(folder_);
}

bool WorkFolder::is_known(const fs::path& entry) const {
  if (entry == mark() || entry == replaced()) return true;
  const EntryRule* rule = rule_of(product_, entry);
  return rule != nullptr && (rule->role == EntryRole::result || rule->role == EntryRole::prepared ||
                             rule->role == EntryRole::leftover);
}

bool WorkFolder::holds_work() const {
  for (const fs::path& entry : entries_of(folder_)) {
    if (entry == mark()) continue;
    const EntryRule* rule = rule_of(product_, entry);
    const bool counts =
        rule == nullptr || (rule->role != EntryRole::prepared && rule->role != EntryRole::leftover);
    if (counts && holds_file(entry)) return true;
  }
  return false;
}

WorkFolder::~WorkFolder() {
  try {
    if (lock_.is_held() && !holds_work()) discard();
  } catch (const std::exception& e) {
    log_warning(folder_.string() + ": stays: " + e.what());
  }
}

void WorkFolder::require_ours() const {
  const auto refuse = [&](const std::string& why) {
    throw_usage("is in the way: " + why, folder_.string(),
                "the work for " + result_.filename().string() +
                    " is done in a folder of this name: rename yours, or choose another " + flag_ +
                    "; nothing was changed");
  };
  if (fs::is_symlink(folder_) || !fs::is_directory(folder_)) refuse("it is no folder");
  const std::vector<fs::path> entries = entries_of(folder_);
  for (const fs::path& entry : entries) {
    if (!is_known(entry)) refuse("it holds " + entry.filename().string() + ", which is not of this program");
  }
  if (entries.empty()) return;
  // A writer that was killed before it wrote the mark leaves the empty lock.
  const bool marked = fs::is_regular_file(mark()) && fs::file_size(mark()) <= kMark.size() &&
                      kMark.starts_with(read_text(mark()));
  if (!marked) refuse("it was not made by this program (no mark " + std::string(product_.lock) + " in it)");
}

void WorkFolder::take() {
  if (is_there()) require_ours();
  std::error_code error;
  for (fs::path& missing : missing_folders(folder_)) made_.push_back(std::move(missing));
  fs::create_directories(folder_, error);
  if (error) throw_system("cannot create", folder_, error);
  if (!lock_.take(mark()) || !has_name(mark())) {
    throw_usage("another process is making " + std::string(product_.name), folder_.string(),
                "wait for it, or choose another " + flag_);
  }
  if (fs::file_size(mark()) < kMark.size()) {
    // Not by a rename: the lock belongs to this very file.
    std::ofstream text(mark(), std::ios::trunc);
    text << kMark << std::flush;
    if (!text) throw_data("cannot write", mark().string(), "check the disk space");
  }
  constexpr std::array<std::string_view, 1> kTemporary = {"*.tmp.#"};
  sweep(folder_, kTemporary);
  if (!has_name(replaced())) return;
  if (has_name(result_)) {
    remove_tree(replaced());
  } else {
    rename_path(replaced(), result_);
    log_info(result_.string() + ": put back, its replacement was stopped half-way");
  }
}

void WorkFolder::clear() {
  for (const fs::path& entry : entries_of(folder_)) {
    if (entry != mark() && is_known(entry)) remove_tree(entry);
  }
}

void WorkFolder::publish(const fs::path& made, bool replace) {
  if (has_name(result_)) {
    if (!replace) throw_usage("was made by someone else meanwhile", result_.string(), "use --overwrite");
    rename_path(result_, replaced());
  }
  rename_path(made, result_);
  sync_directory(result_.parent_path());
  discard();
}

void WorkFolder::discard() {
  std::error_code error;
  if (fs::is_directory(folder_, error)) {
    std::string stays;
    for (const fs::path& entry : entries_of(folder_)) {
      if (entry == mark()) continue;
      if (is_known(entry)) fs::remove_all(entry, error);
      if (has_name(entry)) stays = entry.filename().string();
    }
    fs::remove(mark(), error);
    if (!stays.empty()) {
      log_warning(folder_.string() + ": stays, because of " + stays + " in it");
    } else if (!fs::remove(folder_, error)) {
      log_warning(folder_.string() + ": cannot be removed: " + error.message());
    }
  }
  remove_empty(made_);  // those above it, where nothing was published
  made_.clear();
  lock_.release();
}

}  // namespace anemll
