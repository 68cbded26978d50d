#include "src/hub/internal/fetch.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/nearest.hpp"
#include "src/core/printable.hpp"
#include "src/core/signals.hpp"
#include "src/hub/internal/damage.hpp"
#include "src/hub/internal/download.hpp"
#include "src/hub/internal/hub_client.hpp"
#include "src/hub/internal/names.hpp"
#include "src/hub/internal/partial_file.hpp"
#include "src/hub/internal/repo_cache.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <thread>
#include <vector>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::size_t kShownName = 200;  // bytes of a name in a message

/// Sleeps in pieces: a signal to stop is not slept over.
void sleep_for(double seconds) {
  using Seconds = std::chrono::duration<double>;
  const auto end = std::chrono::steady_clock::now() + Seconds(seconds);
  while (std::chrono::steady_clock::now() < end) {
    leave_on_signal("waiting for the hub", "start again: the download goes on where it was");
    std::this_thread::sleep_for(
        std::min<std::chrono::duration<double>>(Seconds(0.1), end - std::chrono::steady_clock::now()));
  }
}

void require_room(const fs::path& folder, std::uint64_t bytes) {
  std::error_code code;
  const fs::space_info space = fs::space(folder, code);
  if (code || space.available >= bytes) return;
  throw_data(
      "the download needs " + format_bytes(bytes) + ", only " + format_bytes(space.available) + " are free",
      folder.string(), "free disk space, or choose another cache with HF_HUB_CACHE or HF_HOME");
}

/// The hint of a repository without the files that are needed.
std::string other_format(const std::vector<std::string>& files, const std::string& otherwise) {
  const bool gguf = std::any_of(files.begin(), files.end(),
                                [](const std::string& path) { return path.ends_with(".gguf"); });
  return gguf ? "it has .gguf files: download one of them (hf download ORG/NAME FILE.gguf) and give its path"
              : otherwise;
}

/// One name being looked up.
class Lookup {
 public:
  Lookup(HubKind kind, const std::string& id, const std::string& revision, const HubSettings& settings,
         const HubDemand& demand)
      : kind_(kind),
        id_(id),
        revision_(revision),
        settings_(settings),
        demand_(demand),
        cache_(settings_, kind, id) {
    if (!settings_.retry.sleep) settings_.retry.sleep = sleep_for;
  }

  HubSnapshot run(const std::string& local) {
    tried_ = local + ", " + cache_.folder().string();
    const std::optional<std::string> commit = cache_.commit_of(revision_);
    std::string problem;
    if (commit && fs::is_directory(cache_.snapshot(*commit))) {
      const fs::path folder = cache_.snapshot(*commit);
      const std::string lacking = demand_.missing(folder);
      if (lacking.empty()) {
        return grant_wishes({folder, id_, *commit});
      }
      problem = "the cached snapshot " + folder.string() + " has no " + lacking;
    }
    if (settings_.offline.empty()) {
      try {
        return download(settings_, revision_);
      } catch (const Error& error) {
        if (error.code() != ExitCode::data) throw;
        if (const auto found = lone_snapshot()) return *found;
        if (problem.empty()) throw;
        throw_data(problem + "; " + error.problem(), error.where(), error.hint());
      }
    }
    if (const auto found = lone_snapshot()) return *found;
    if (problem.empty()) problem = "cannot find the " + std::string(kind_word(kind_)) + " " + id_;
    throw_data(problem, "looked in: " + tried_ + cached_state(commit) + "; " + forbidden(),
               "allow the network (without " + settings_.offline + "), or give a local path");
  }

 private:
  std::string forbidden() const { return settings_.offline + " forbids to ask " + settings_.endpoint; }

  /// What the cache has of the repository although it does not serve: for messages.
  std::string cached_state(const std::optional<std::string>& commit) const {
    std::string out;
    const std::vector<std::string> commits = cache_.commits();
    if (commit && std::find(commits.begin(), commits.end(), *commit) == commits.end()) {
      out = is_commit(revision_)
                ? " (no snapshot of that commit is cached"
                : " (refs/" + revision_ + " names " + *commit + ", of which no snapshot is cached";
    } else if (!commit && !commits.empty()) {
      out = " (no refs/" + revision_ + " says which commit is meant";
    }
    if (!out.empty()) {
      for (std::size_t i = 0; i < commits.size(); ++i)
        out += (i == 0 ? "; snapshots that can be given as the revision: " : ", ") + commits[i];
      out += ")";
    }
    if (const std::size_t count = cache_.unfinished(); count > 0)
      out += " (" + std::to_string(count) +
             " unfinished downloads are in its blobs: they go on with the network)";
    return out;
  }

  std::vector<std::string> unknown_wishes(const std::string& commit) const {
    std::vector<std::string> unknown;
    std::copy_if(demand_.wished.begin(), demand_.wished.end(), std::back_inserter(unknown),
                 [&](const std::string& path) {
                   return !has_name(cache_.snapshot(commit) / path) && !cache_.known_absent(commit, path);
                 });
    return unknown;
  }

  /// Asks for the files of this very commit, not of where the branch has moved to; of a commit that the hub
  /// has dropped nothing can be had, and the branch is taken as it is now. Gives the snapshot to use.
  HubSnapshot grant_wishes(const HubSnapshot& cached) {
    std::string why;
    if (unknown_wishes(cached.commit).empty() && !demand_.open_ended) {
    } else if (!settings_.offline.empty()) {
      why = forbidden();
    } else {
      HubSettings impatient = settings_;
      impatient.retry.attempts = 1;
      try {
        download(impatient, cached.commit);
      } catch (const NoSuchRevision& error) {
        if (auto newer = replacement(cached.commit)) return *newer;
        why = error.problem();
      } catch (const Error& error) {
        if (error.code() != ExitCode::data) throw;
        why = error.problem();
      }
    }
    if (demand_.tell) demand_.tell(cached.path, unknown_wishes(cached.commit), why);
    return cached;
  }

  /// What the revision is now instead of `dropped`.
  std::optional<HubSnapshot> replacement(const std::string& dropped) {
    // A data set that is used must not change because it may have lacked something.
    if (is_commit(revision_) || demand_.open_ended) return std::nullopt;
    log_info("the cached commit " + dropped + " of " + id_ +
             " lacks files, and the hub has it no more: taking " + revision_ + " as it is now");
    try {
      return download(settings_, revision_);
    } catch (const Error& error) {
      if (error.code() != ExitCode::data) throw;
      log_warning("cannot replace the cached snapshot: " + error.problem());
      return std::nullopt;
    }
  }

  /// A snapshot that no ref names, as copying a cache about leaves it: better than nothing.
  std::optional<HubSnapshot> lone_snapshot() const {
    if (revision_ != "main" || cache_.commit_of(revision_)) return std::nullopt;
    const std::vector<std::string> commits = cache_.commits();
    if (commits.size() != 1 || !demand_.missing(cache_.snapshot(commits[0])).empty()) return std::nullopt;
    const std::string& commit = commits[0];
    log_warning("the hub cache does not say which commit of " + id_ + " is main; using " + commit);
    if (demand_.tell)
      demand_.tell(cache_.snapshot(commit), unknown_wishes(commit),
                   settings_.offline.empty() ? "the hub could not be asked" : forbidden());
    return HubSnapshot{cache_.snapshot(commit), id_, commit};
  }

  HubSnapshot download(const HubSettings& settings, const std::string& revision) {
    HubClient client(settings, kind_, id_, tried_);
    const HubListing listing = client.list(revision);
    const bool has_card =
        std::find(listing.files.begin(), listing.files.end(), demand_.card) != listing.files.end();
    const std::string card = has_card ? fetch_card(client, settings, listing.commit) : std::string();
    const std::vector<std::string> chosen = demand_.choose(listing.files, card);
    std::set<std::string> wanted(chosen.begin(), chosen.end());
    if (has_card && !wanted.empty()) wanted.insert(demand_.card);
    for (const std::string& path : wanted) {
      if (is_safe_path(path)) continue;
      throw_data("the hub lists the file " + printable(path, kShownName) + ", which leads out of the cache",
                 client.page(),
                 "its list of files is hostile or broken: give a local path, or another ORG/NAME");
    }
    if (wanted.empty()) {
      throw_data(
          "the " + std::string(kind_word(kind_)) + " " + id_ + " has none of the files that are needed",
          client.page() + " at " + listing.commit,
          other_format(listing.files,
                       "look at its list of files: other formats are not read; give another ORG/NAME"));
    }
    const fs::path folder = cache_.snapshot(listing.commit);
    std::vector<RemoteFile> files;
    for (const std::string& path : wanted) {
      if (demand_.lacks(folder, path)) files.push_back(client.find(listing.commit, path));
    }
    // A cache on a read-only disk serves as long as nothing is new.
    if (!files.empty()) {
      cache_.prepare();
      receive(client, settings, files);
      std::map<std::string, std::string> links;
      for (const RemoteFile& file : files) links[file.path] = blob_name(file.etag);
      cache_.link(listing.commit, links);
    }
    for (const std::string& path : demand_.wished) {
      if (std::find(listing.files.begin(), listing.files.end(), path) == listing.files.end() &&
          !cache_.known_absent(listing.commit, path))
        cache_.remember_absent(listing.commit, path);
    }
    cache_.write_ref(revision, listing.commit);
    if (const std::string lacking = demand_.missing(folder); !lacking.empty()) {
      throw_data("the " + std::string(kind_word(kind_)) + " " + id_ + " has no " + lacking,
                 client.page() + " at " + listing.commit,
                 other_format(listing.files, "give another ORG/NAME or revision"));
    }
    return {folder, id_, listing.commit};
  }

  /// The card's text; the file then lies in the snapshot.
  std::string fetch_card(HubClient& client, const HubSettings& settings, const std::string& commit) {
    const fs::path path = cache_.snapshot(commit) / demand_.card;
    if (demand_.lacks(cache_.snapshot(commit), demand_.card)) {
      cache_.prepare();
      const RemoteFile file = client.find(commit, demand_.card);
      receive(client, settings, {file});
      cache_.link(commit, {{file.path, blob_name(file.etag)}});
    }
    return read_text(path);
  }

  void receive(HubClient& client, const HubSettings& settings, const std::vector<RemoteFile>& files) const {
    std::vector<const RemoteFile*> absent;
    std::set<std::string> blobs;  // two paths may have one content
    std::uint64_t total = 0;
    std::uint64_t there = 0;
    for (const RemoteFile& file : files) {
      if (has_blob(cache_, file) || !blobs.insert(blob_name(file.etag)).second) continue;
      absent.push_back(&file);
      total += file.size.value_or(0);
      if (file.size) there += leftover_bytes(cache_.blob(blob_name(file.etag)), file.size);
    }
    if (absent.empty()) return;
    require_room(cache_.folder(), total - there);
    const auto mib = static_cast<std::int64_t>((total + kMiB - 1) / kMiB);
    Progress bar("downloading " + id_, mib, "MiB");
    std::uint64_t before = 0;
    for (const RemoteFile* file : absent) {
      const BytesDone report = [&](std::uint64_t bytes) {
        bar.update(static_cast<std::int64_t>((before + bytes) / kMiB), file->path);
      };
      fetch_blob(client, cache_, settings, *file, report);
      before += file->size.value_or(0);
    }
    bar.update(mib);
    bar.finish();
  }

  HubKind kind_;
  std::string id_;
  std::string revision_;
  HubSettings settings_;
  const HubDemand& demand_;
  RepoCache cache_;
  std::string tried_;
};

}  // namespace

bool not_there(const fs::path& folder, const std::string& path) {
  std::error_code ignored;
  return !fs::exists(folder / path, ignored);
}

namespace {

/// By its ending; names of repositories end otherwise.
bool names_a_file(const fs::path& path) {
  constexpr std::array<std::string_view, 22> kEndings = {
      ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".md", ".parquet",     ".arrow", ".gz",   ".zst",
      ".bz2",  ".xz",    ".zip",    ".tar", ".tgz", ".h5",  ".pt", ".safetensors", ".gguf",  ".yaml", ".pth"};
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

/// "did you mean x? " for what lies in the same folder.
std::string nearest_there(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::vector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
    names.push_back(it->path().filename().string());
  std::sort(names.begin(), names.end());
  const std::string near = nearest_word(path.filename().string(), names);
  return near.empty() ? "" : "did you mean " + printable((path.parent_path() / near).string()) + "? ";
}

}  // namespace

HubSnapshot fetch(HubKind kind, const std::string& id, const std::string& revision,
                  const HubSettings& settings, const HubDemand& demand) {
  if (!is_revision(revision)) {
    throw_usage("not a revision: \"" + printable(revision) + "\"", "revision of " + id,
                "give a branch or a tag (git ls-remote lists them), or a commit of 40 hexadecimal digits");
  }
  const fs::path local = expand_path(id);
  std::error_code ignored;
  if (!id.empty() && fs::exists(local, ignored)) return {local, "", ""};
  if (!id.empty() && fs::is_symlink(local, ignored)) {
    throw_data("the " + std::string(kind_word(kind)) + " is a link that leads nowhere: to " +
                   fs::read_symlink(local, ignored).string(),
               local.string(), "put that in its place, or remove the link (rm) and give another path");
  }
  if (!is_repository_name(id) || names_a_file(local)) {
    throw_data("cannot find the " + std::string(kind_word(kind)) + " " + id +
                   (names_a_file(local) ? ": no such file" : ""),
               "looked in: " + local.string(),
               nearest_there(local) + "give a local path, or the name of a repository: ORG/NAME");
  }
  return Lookup(kind, id, revision, settings, demand).run(local.string());
}

}  // namespace anemll
