#include "src/comm/send_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/comm/agreement.hpp"
#include "src/core/hash.hpp"
#include "src/core/tool.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr std::size_t kBlock = std::size_t{4} << 20;  // every rank holds one while files travel

struct SentFile {
  std::string name;  ///< in the folder, with '/'
  std::uint64_t bytes = 0;
  std::string sha256;
};

/// What is sent of `path`: names, from the folder that they count from.
std::pair<fs::path, std::vector<SentFile>> files_of(const fs::path& path) {
  std::vector<fs::path> paths;
  fs::path base = path;
  if (fs::is_directory(path)) {
    for (const auto& entry :
         fs::recursive_directory_iterator(path, fs::directory_options::follow_directory_symlink)) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
  } else {
    base = path.parent_path();
    paths.push_back(path);
    if (const fs::path config = base / "config.json"; fs::exists(config) && config != path)
      paths.push_back(config);
  }
  std::sort(paths.begin(), paths.end());
  std::vector<SentFile> files;
  for (const fs::path& file : paths)
    files.push_back({file.lexically_relative(base).string(), fs::file_size(file), sha256_file(file)});
  return {base, files};
}

std::string to_text(const std::vector<SentFile>& files) {
  json list = json::array();
  for (const SentFile& file : files) list.push_back({file.name, file.bytes, file.sha256});
  return list.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::vector<SentFile> from_text(const std::string& text) {
  std::vector<SentFile> files;
  for (const json& entry : json::parse(text))
    files.push_back({entry.at(0), entry.at(1).get<std::uint64_t>(), entry.at(2)});
  return files;
}

/// What failed on this rank while all of them go on with their collectives.
class Attempts {
 public:
  /// `advice`: joins the hint of what fails here.
  explicit Attempts(std::string advice) : advice_(std::move(advice)) {}

  /// Runs `work` where `mine` holds and nothing has failed yet.
  template <class Work>
  void run(bool mine, const Work& work) {
    if (!mine || failure_) return;
    try {
      work();
    } catch (...) {
      const Error error = current_error();
      std::string hint = error.hint();
      if (!hint.empty() && !advice_.empty()) hint += "; ";
      failure_.emplace(error.code(), error.problem(), error.where(), hint + advice_);
    }
  }

  /// The first rank's failure on all of them, with its host.
  void share(Communicator& comm, const std::string& host) const {
    throw_first_failure(comm, failure_, strf("on rank %d, %s", comm.rank(), host.c_str()));
  }

 private:
  std::string advice_;
  std::optional<Error> failure_;
};

/// One file on its way: rank 0 reads, `takes` writes, the others pass the time.
void send_file(Communicator& comm, const fs::path& from, const fs::path& to, const SentFile& file, bool takes,
               std::span<std::byte> block, Attempts& attempts) {
  std::ifstream in;
  std::optional<AtomicFile> out;
  Sha256 hash;
  attempts.run(comm.is_root(), [&] { in.open(from, std::ios::binary); });
  attempts.run(takes, [&] { out.emplace(to); });
  for (std::uint64_t at = 0; at < file.bytes; at += block.size()) {
    const auto part =
        block.first(static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), file.bytes - at)));
    attempts.run(comm.is_root(), [&] {
      if (!in.read(reinterpret_cast<char*>(part.data()), static_cast<std::streamsize>(part.size())))
        throw_data("cannot be read to its end", from.string(), "was it changed meanwhile? start again");
    });
    comm.broadcast(part, 0);
    attempts.run(takes, [&] {
      out->write(part);
      hash.update(part);
    });
  }
  attempts.run(takes, [&] {
    if (hash.finish_hex() != file.sha256)
      throw_data("has other bytes than were announced", to.string(),
                 "was the file changed meanwhile? start again");
    out->commit();
  });
}

bool is_there(const fs::path& path, const SentFile& file) {
  std::error_code code;
  return fs::file_size(path, code) == file.bytes && !code && sha256_file(path) == file.sha256;
}

}  // namespace

FileSender::FileSender(Communicator& comm, fs::path folder, std::string host)
    : comm_(comm), folder_(std::move(folder)), host_(std::move(host)) {
  const std::vector<std::string> hosts = gather_strings(comm, host_);
  other_host_ = host_ != hosts.front();
  receives_ = other_host_ && std::find(hosts.begin(), hosts.end(), host_) == hosts.begin() + comm.rank();
}

fs::path FileSender::send(const fs::path& path) {
  if (!any_rank(comm_, other_host_)) return path;
  Attempts attempts(receives_ ? "--stage-dir names the folder of what is sent" : "");
  fs::path base;
  std::string listed, name;
  attempts.run(comm_.is_root(), [&] {
    const auto [folder, files] = files_of(path);
    base = folder;
    listed = to_text(files);
    name = fs::is_directory(path) ? "" : path.filename().string();
  });
  attempts.share(comm_, host_);
  broadcast_string(comm_, listed, 0);
  broadcast_string(comm_, name, 0);
  const std::vector<SentFile> files = from_text(listed);
  const fs::path there = folder_ / sha256_hex(listed).substr(0, 16);

  std::vector<std::int64_t> lacks(files.size(), 0);
  attempts.run(receives_, [&] {
    std::uint64_t missing = 0;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const fs::path file = there / files[i].name;
      fs::create_directories(file.parent_path());
      lacks[i] = is_there(file, files[i]) ? 0 : 1;
      if (lacks[i] != 0) missing += files[i].bytes;
    }
    require_space(there, missing);
  });
  attempts.share(comm_, host_);
  std::vector<std::int64_t> travels = lacks;
  comm_.all_reduce(std::span<std::int64_t>(travels), ReduceOp::max);

  std::int64_t whole = 0, sent = 0;
  for (std::size_t i = 0; i < files.size(); ++i)
    whole += travels[i] * static_cast<std::int64_t>(files[i].bytes);
  if (whole > 0) {
    Progress progress("sending " + path.string() + " to other hosts", whole, "bytes");
    std::vector<std::byte> block(kBlock);
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (travels[i] == 0) continue;
      send_file(comm_, base / files[i].name, there / files[i].name, files[i], receives_ && lacks[i] != 0,
                block, attempts);
      attempts.share(comm_, host_);
      progress.update(sent += static_cast<std::int64_t>(files[i].bytes));
    }
    progress.finish();
  }
  if (!other_host_) return path;
  return name.empty() ? there : there / name;
}

}  // namespace anemll
