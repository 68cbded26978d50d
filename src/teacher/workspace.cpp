#include "src/teacher/workspace.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/hash.hpp"
#include "anemll/core/log.hpp"
#include "src/data/staging.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kChoices =
    "add --resume to go on where it stopped, or --overwrite to start anew and replace it";

fs::path normalised(const fs::path& path) {
  fs::path absolute = fs::absolute(path).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();  // "dir/" names dir
}

bool is_empty_folder(const fs::path& path) {
  return fs::is_directory(path) && fs::is_empty(path);
}

/// The plan's id that a finished cache carries, in index.json or in the reference's meta.json.
std::optional<std::string> plan_id_of(const fs::path& cache) {
  for (const char* name : {"index.json", "meta.json"}) {
    if (!fs::is_regular_file(cache / name)) continue;
    const auto json = nlohmann::json::parse(read_text(cache / name), nullptr, false);
    if (!json.is_object()) return std::nullopt;
    const auto& meta = name[0] == 'i' ? json.value("meta", nlohmann::json::object()) : json;
    if (!meta.is_object() || !meta.contains("anemll") || !meta["anemll"].is_object()) return std::nullopt;
    return meta["anemll"].value("plan", std::string());
  }
  return std::nullopt;
}

}  // namespace

fs::path Workspace::folder_of(const fs::path& output) {
  fs::path folder = normalised(output);
  folder += ".precompute";
  return folder;
}
fs::path Workspace::tokens_file(const fs::path& folder) {
  return folder / "tokens.i32";
}
fs::path Workspace::plan_file(const fs::path& folder) {
  return folder / "plan.json";
}
fs::path Workspace::units_folder(const fs::path& folder) {
  return folder / "units";
}
fs::path Workspace::cache_folder(const fs::path& folder) {
  return folder / "cache";
}

Workspace::Workspace(const fs::path& output, const std::string& identity_json, bool resume, bool overwrite)
    : output_(normalised(output)), folder_(folder_of(output)) {
  if (fs::exists(folder_)) {
    look_at_folder(identity_json, resume, overwrite);
  } else {
    look_at_output(identity_json, resume, overwrite);
  }
  if (state_ == State::complete) return;
  std::error_code error;
  for (const fs::path& folder : {folder_, units_folder(folder_), cache_folder(folder_)}) {
    fs::create_directories(folder, error);
    if (error) throw_data("cannot create: " + error.message(), folder.string(), "check path and permissions");
  }
  lock_.take(folder_);
}

void Workspace::look_at_folder(const std::string& identity_json, bool resume, bool overwrite) {
  lock_.take(folder_);
  if (overwrite) {
    lock_.release();
    fs::remove_all(folder_);
    return look_at_output(identity_json, false, true);
  }
  if (!resume) throw_usage("an unfinished run is there", folder_.string(), kChoices);
  if (!fs::exists(plan_file(folder_))) {
    log_info(folder_.string() + ": the earlier run was stopped before its work was planned; starting anew");
    return look_at_output(identity_json, false, false);
  }
  plan_ = parse_plan(read_text(plan_file(folder_)), plan_file(folder_));
  require_same_identity(plan_.identity_json, identity_json, folder_);
  if (plan_id_of(output_) == plan_.id()) {  // killed between the rename and the clearing up
    discard();
    state_ = State::complete;
    return;
  }
  if (fs::exists(output_) && !is_empty_folder(output_) && !plan_.replace) {
    throw_usage("was made by someone else meanwhile", output_.string(),
                "choose another --output_dir, or start anew with --overwrite");
  }
  if (sha256_file(tokens_file(folder_)) != plan_.tokens_sha256) {
    throw_data("the tokens of the run to resume are damaged", tokens_file(folder_).string(),
               "start anew with --overwrite");
  }
  replace_ = plan_.replace;
  state_ = State::resumed;
}

void Workspace::look_at_output(const std::string& identity_json, bool resume, bool overwrite) {
  if (!fs::exists(output_) || is_empty_folder(output_)) return;
  if (overwrite) {
    require_replaceable_cache(output_);
    replace_ = true;
    return;
  }
  const std::optional<std::string> made = plan_id_of(output_);
  if (!resume) {
    throw_usage(
        made ? "a finished cache is there" : "already exists", output_.string(),
        made ? "choose another --output_dir, or add --overwrite to replace it (--resume leaves a finished "
               "cache as it is)"
             : kChoices);
  }
  Plan wanted;
  wanted.identity_json = identity_json;
  if (made != wanted.id()) {
    throw_usage("there is nothing to resume: this is not a cache of these options", output_.string(),
                "choose another --output_dir, or add --overwrite to replace it");
  }
  state_ = State::complete;
}

void Workspace::start(const Plan& plan) {
  plan_ = plan;
  plan_.replace = replace_;
  write_file(plan_file(folder_), write_plan(plan_));
  sync_directory(folder_);
}

void Workspace::publish(const fs::path& cache) {
  sync_directory(cache);
  if (is_empty_folder(output_)) fs::remove(output_);
  put_in_place(cache, output_, replace_);
  discard();
}

void Workspace::discard() {
  lock_.release();
  std::error_code error;
  fs::remove_all(folder_, error);
  if (error) log_warning(folder_.string() + ": cannot remove: " + error.message());
}

// A file system without locks must not stop anyone.
void Workspace::Lock::take(const fs::path& folder) {
  if (fd_ >= 0) return;
  const std::string path = (folder / ".lock").string();
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) throw_data("cannot create the lock", path, "check the permissions");
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  release();
  throw_usage("another process is making this cache", folder.string(),
              "wait for it, or choose another --output_dir");
}

void Workspace::Lock::release() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace anemll
