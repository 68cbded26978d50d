// One repository's folder in the hub cache, laid out as the Python library lays it out:
//
//   <root>/models--org--name/refs/<revision>                 the commit, 40 hexadecimal digits
//                            blobs/<etag>                    contents
//                            blobs/<etag>.<8 hex>.incomplete what a writer has so far
//                            snapshots/<commit>/<path>       relative links to blobs, or copies of them
//                            .no_exist/<commit>/<path>       files that the repository is known not to have
//   <root>/.locks/models--org--name/<etag>.lock
//
// Looking things up writes nothing, so that a cache on a read-only disk serves.
#pragma once

#include "anemll/hub/hub.hpp"
#include "src/hub/internal/settings.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace anemll {

/// A data error about a file of the hub cache. `also`: what else helps, after "; ".
[[noreturn]] void throw_unwritable(const std::filesystem::path& path, const std::error_code& code,
                                   const std::string& action = "cannot write into the hub cache",
                                   const std::string& also = {});

/// A lock between processes (flock, as the Python library's). Where the file system has none, work goes on
/// without: temporary names are unique and renames atomic, so the worst is a download made twice.
class CacheLock {
 public:
  /// Waits as long as another process holds it; says so once.
  CacheLock(const std::filesystem::path& file, const std::string& what, const RetryPolicy& patience);
  ~CacheLock();
  CacheLock(const CacheLock&) = delete;
  CacheLock& operator=(const CacheLock&) = delete;
  /// False where the file system has no locks.
  bool held() const { return held_; }

 private:
  int fd_ = -1;
  bool held_ = false;
};

class RepoCache {
 public:
  RepoCache(const HubSettings& settings, HubKind kind, const std::string& id);

  const std::filesystem::path& folder() const { return folder_; }
  /// The commit a revision stands for; a commit stands for itself.
  std::optional<std::string> commit_of(const std::string& revision) const;
  /// The commits there are snapshots of, sorted.
  std::vector<std::string> commits() const;
  /// How many downloads into the blobs were not brought to their end.
  std::size_t unfinished() const;
  std::filesystem::path snapshot(const std::string& commit) const { return folder_ / "snapshots" / commit; }
  std::filesystem::path blob(const std::string& name) const { return folder_ / "blobs" / name; }
  /// Whether the commit is known to have no such file.
  bool known_absent(const std::string& commit, const std::string& path) const;

  /// Makes root, CACHEDIR.TAG and the repository's folders; a data error says how to choose another root.
  void prepare() const;
  std::filesystem::path lock_file(const std::string& blob_name) const;
  void remember_absent(const std::string& commit, const std::string& path) const;
  /// Gives blobs their names in the snapshot (path -> blob name): all at once when the snapshot is new. Names
  /// that are there are replaced.
  void link(const std::string& commit, const std::map<std::string, std::string>& files) const;
  void write_ref(const std::string& revision, const std::string& commit) const;

 private:
  void place(const std::filesystem::path& at, const std::string& path, const std::string& blob_name) const;

  std::filesystem::path root_;
  std::filesystem::path name_;
  std::filesystem::path folder_;
  bool symlinks_;
};

/// 8 hexadecimal digits, others in each process and each time.
std::string unique_suffix();

}  // namespace anemll
