#include "src/hub/internal/repo_cache.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/rng.hpp"
#include "src/core/system_error.hpp"
#include "src/hub/internal/names.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::uintmax_t kMaxRefBytes = 4096;
constexpr double kLockPoll_s = 0.1;
constexpr const char* kCachedirTag =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file is a cache directory tag of the Hugging Face hub's cache, which several programs share.\n"
    "# Information about cache directory tags: https://bford.info/cachedir/\n";

std::string first_word(const std::string& text) {
  std::size_t end = 0;
  while (end < text.size() && std::isspace(static_cast<unsigned char>(text[end])) == 0) ++end;
  return text.substr(0, end);
}

void make_folders(const fs::path& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code) throw_unwritable(path, code);
}

}  // namespace

void throw_unwritable(const fs::path& path, const std::error_code& code, const std::string& action,
                      const std::string& also) {
  throw_system(action, path, code, "choose a cache you may write to with HF_HUB_CACHE or HF_HOME",
               "HF_HUB_CACHE or HF_HOME name another cache" + also);
}

std::string unique_suffix() {
  // Nanoseconds tell two calls apart, the number two processes.
  const auto now = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  const CounterRng rng(now, static_cast<std::uint64_t>(::getpid()));
  return strf("%08x", static_cast<unsigned>(rng.bits(0) & 0xffffffffU));
}

CacheLock::CacheLock(const fs::path& file, const std::string& what, const RetryPolicy& patience) {
  bool told = false;
  for (;;) {
    fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    // Another user's file: most systems lock what is open for reading.
    if (fd_ < 0 && errno == EACCES) fd_ = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) throw_unwritable(file, {errno, std::generic_category()});
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) {
      // A holder that removed the file on its way out leaves us a lock on nothing.
      struct stat mine {
      }, named{};
      if (::fstat(fd_, &mine) == 0 && ::stat(file.c_str(), &named) == 0 && mine.st_ino == named.st_ino) {
        held_ = true;
        return;
      }
      ::close(fd_);
      continue;
    }
    if (errno != EWOULDBLOCK && errno != EINTR) {
      log(LogLevel::debug, "no file locks here: " + file.string());
      return;
    }
    ::close(fd_);
    fd_ = -1;
    if (!told) log_info("another process is downloading " + what + "; waiting for it");
    told = true;
    patience.sleep(kLockPoll_s);
  }
}

CacheLock::~CacheLock() {
  if (fd_ >= 0) ::close(fd_);
}

RepoCache::RepoCache(const HubSettings& settings, HubKind kind, const std::string& id)
    : root_(settings.cache_root),
      name_(repository_folder(kind, id)),
      folder_(root_ / name_),
      symlinks_(settings.symlinks) {}

std::optional<std::string> RepoCache::commit_of(const std::string& revision) const {
  if (is_commit(revision)) return revision;
  const fs::path ref = folder_ / "refs" / revision;
  std::error_code ignored;
  if (!fs::is_regular_file(ref, ignored) || fs::file_size(ref, ignored) > kMaxRefBytes) return std::nullopt;
  const std::string commit = first_word(read_text(ref));
  if (is_commit(commit)) return commit;
  log_warning("the hub cache's " + ref.string() + " holds no commit; ignoring it");
  return std::nullopt;
}

std::vector<std::string> RepoCache::commits() const {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_ / "snapshots", ignored)) {
    if (entry.is_directory(ignored) && is_commit(entry.path().filename().string()))
      found.push_back(entry.path().filename().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::size_t RepoCache::unfinished() const {
  std::error_code ignored;
  const fs::directory_iterator blobs(folder_ / "blobs", ignored);
  return static_cast<std::size_t>(std::count_if(
      begin(blobs), end(blobs),
      [](const fs::directory_entry& entry) { return entry.path().extension() == ".incomplete"; }));
}

bool RepoCache::known_absent(const std::string& commit, const std::string& path) const {
  std::error_code ignored;
  return fs::exists(folder_ / ".no_exist" / commit / path, ignored);
}

void RepoCache::prepare() const {
  make_folders(root_);
  std::error_code ignored;
  if (!fs::exists(root_ / "CACHEDIR.TAG", ignored)) write_file(root_ / "CACHEDIR.TAG", kCachedirTag);
  make_folders(root_ / ".locks" / name_);
  for (const char* part : {"blobs", "refs", "snapshots"}) make_folders(folder_ / part);
}

fs::path RepoCache::lock_file(const std::string& blob_name) const {
  return root_ / ".locks" / name_ / (blob_name + ".lock");
}

void RepoCache::remember_absent(const std::string& commit, const std::string& path) const {
  const fs::path file = folder_ / ".no_exist" / commit / path;
  make_folders(file.parent_path());
  write_file(file, "");
}

void RepoCache::place(const fs::path& at, const std::string& path, const std::string& blob_name) const {
  const fs::path target = at / path;
  make_folders(target.parent_path());
  // snapshots/<commit>/a/b points to ../../../blobs/<name>: one step per component after the repository's.
  fs::path link = "../..";
  for (fs::path part = fs::path(path).parent_path(); !part.empty(); part = part.parent_path()) link /= "..";
  link = link / "blobs" / blob_name;
  fs::path temporary = target;
  temporary += ".tmp." + unique_suffix();
  std::error_code code;
  if (symlinks_) {
    fs::create_symlink(link, temporary, code);
    if (code == std::errc::no_space_on_device || code == std::errc::permission_denied ||
        code == std::errc::read_only_file_system)
      throw_unwritable(target, code);
  }
  if (!symlinks_ || code) {
    code.clear();
    fs::copy_file(blob(blob_name), temporary, code);
    if (code) {
      std::error_code ignored;
      fs::remove(temporary, ignored);
      throw_unwritable(target, code);
    }
    sync_file(temporary);
  }
  fs::rename(temporary, target, code);
  if (code) throw_unwritable(target, code);
}

void RepoCache::link(const std::string& commit, const std::map<std::string, std::string>& files) const {
  if (files.empty()) return;
  const fs::path final_place = snapshot(commit);
  std::error_code code;
  // Links are relative and lie equally deep in both places, so the folder can be made aside and renamed. A
  // killed writer then leaves no snapshot that has some of its files.
  if (!fs::exists(final_place, code)) {
    const fs::path aside = folder_ / ".new" / (commit + "." + unique_suffix());
    for (const auto& [path, name] : files) place(aside, path, name);
    make_folders(final_place.parent_path());
    fs::rename(aside, final_place, code);
    if (!code) {
      sync_directory(final_place.parent_path());
      fs::remove(folder_ / ".new", code);
      return;
    }
    // Another process was quicker: what it has not is added below.
    fs::remove_all(aside, code);
    fs::remove(folder_ / ".new", code);
  }
  for (const auto& [path, name] : files) place(final_place, path, name);
  sync_directory(final_place);
}

void RepoCache::write_ref(const std::string& revision, const std::string& commit) const {
  if (is_commit(revision)) return;
  const fs::path ref = folder_ / "refs" / revision;
  if (commit_of(revision) == commit) return;
  make_folders(ref.parent_path());
  write_file(ref, commit);
}

}  // namespace anemll
