// See staging.hpp. The lock is an flock on a file inside the partial folder: it ends with its process,
// however that ends, so a partial folder without a lock is a killed writer's and may go.
#include "src/data/staging.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/core/output_folder.hpp"
#include "anemll/core/system_error.hpp"

#include <string>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLockName = ".lock";

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw_system("cannot remove", path, error, "remove it by hand");
}

void rename_path(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) {
    throw_system("cannot rename " + from.filename().string() + " into place", to, error,
                 "check that nothing else writes there");
  }
}

// The files that importing and exporting make, and nothing else.
bool ours(const fs::directory_entry& entry) {
  const EntryRule* rule = rule_of(kd_cache_files(), entry.path());
  return entry.is_regular_file() && rule != nullptr && rule->role == EntryRole::result;
}

}  // namespace

fs::path normalised(const fs::path& path) {
  fs::path absolute = fs::absolute(path).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

// An overwrite must never take away something that no cache needs.
void require_replaceable_cache(const fs::path& path) {
  if (!fs::is_directory(path)) {
    if (path.extension() == ".h5") return;
    throw_usage("exists and is not a .h5 file, so it is not overwritten", path.string(),
                "choose another destination or remove it yourself");
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    if (ours(entry)) continue;
    throw_usage("holds " + entry.path().filename().string() +
                    ", which is not part of a KD cache, so it is not overwritten",
                path.string(), "choose another destination or remove it yourself");
  }
}

// A directory cannot be replaced by rename; the old one steps aside first. A kill between the two renames
// leaves it under that other name; it goes when the new one is in place.
void put_in_place(const fs::path& from, const fs::path& destination, bool may_replace) {
  fs::path old = destination;
  old += ".replaced";
  const bool replace = fs::exists(destination);
  if (replace && !may_replace)
    throw_usage("was made by someone else meanwhile", destination.string(), "use --overwrite");
  if (replace) {
    if (fs::exists(old)) remove_tree(old);
    rename_path(destination, old);
  }
  rename_path(from, destination);
  sync_directory(destination.parent_path());
  if (may_replace && fs::exists(old)) remove_tree(old);
}

Staging::Staging(const fs::path& source, const fs::path& destination, bool overwrite)
    : destination_(normalised(destination)), overwrite_(overwrite) {
  std::error_code missing;
  if (fs::equivalent(source, destination_, missing)) {
    throw_usage("source and destination are the same", destination_.string(), "choose another destination");
  }
  if (fs::exists(destination_)) {
    if (!overwrite) throw_usage("already exists", destination_.string(), "use --overwrite to replace it");
    require_replaceable_cache(destination_);
  }
  partial_ = destination_;
  partial_ += ".partial";
  std::error_code error;
  fs::create_directories(destination_.parent_path(), error);
  if (error) throw_system("cannot create", destination_.parent_path(), error);
  if (fs::exists(partial_)) {
    lock();  // throws while its writer lives
    log_warning(partial_.string() + ": left by a writer that was killed; removed");
    remove_tree(partial_);
  }
  fs::create_directory(partial_, error);
  if (error) throw_system("cannot create", partial_, error);
  lock();
}

Staging::~Staging() {
  if (done_) return;
  std::error_code ignored;
  fs::remove_all(partial_, ignored);
}

void Staging::lock() {
  if (lock_.take(partial_ / kLockName)) return;
  throw_data("another process is writing it", destination_.string(),
             "wait for it, or choose another destination");
}

void Staging::commit() {
  fs::remove(partial_ / kLockName);
  sync_directory(partial_);
  put_in_place(partial_, destination_, overwrite_);
  done_ = true;
}

void Staging::commit_file(const fs::path& file) {
  put_in_place(file, destination_, overwrite_);
  remove_tree(partial_);
  done_ = true;
}

}  // namespace anemll
