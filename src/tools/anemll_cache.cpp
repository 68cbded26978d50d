// anemll_cache: KD caches in and out of HDF5, their facts, their health. One sub-command per job; each
// parses its own options and calls src/data.
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/core/options.hpp"
#include "anemll/data/kd_cache.hpp"
#include "src/core/build_info.hpp"
#include "src/core/printable.hpp"
#include "src/core/tool.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

namespace {

namespace fs = std::filesystem;
using anemll::OptionTable;

constexpr const char* kUsage =
    "anemll_cache: KD caches (teacher top-k logits) as HDF5\n"
    "\n"
    "usage: anemll_cache COMMAND ARGUMENTS\n"
    "\n"
    "  import SRC DST   a folder of shard_*.pt to a folder of HDF5 shards, or to one file when DST ends in "
    ".h5;\n"
    "                   SRC may be an archive of a cache (.tgz, .tar.zst)\n"
    "  export SRC DST   an HDF5 cache back to a folder that the Python reference reads\n"
    "  info PATH        what a cache holds (HDF5 folder or file)\n"
    "  verify PATH      reads everything: hashes, id ranges, finite logits in descending order\n"
    "\n"
    "'anemll_cache COMMAND --help' lists the options of a command; --version prints build facts.\n"
    "Exit codes: 0 done, 2 command line, 3 a file or its content.\n";

std::uint64_t bytes_on_disk(const fs::path& path) {
  if (!fs::is_directory(path)) return fs::file_size(path);
  std::uint64_t total = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file()) total += entry.file_size();
  }
  return total;
}

// Shows a bar while `work` reports sequences; returns the seconds it took.
template <class Work>
double with_progress(const std::string& title, const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  std::optional<anemll::Progress> bar;
  work([&](std::int64_t done, std::int64_t total) {
    if (!bar) bar.emplace(title, total, "sequences");
    bar->update(done);
  });
  if (bar) bar->finish();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void report(const fs::path& path, double seconds) {
  const std::uint64_t bytes = bytes_on_disk(path);
  anemll::log_info(anemll::strf("%s: %s in %.2f s, %.0f MB/s", path.c_str(),
                                anemll::format_bytes(bytes).c_str(), seconds,
                                static_cast<double>(bytes) / 1e6 / seconds));
}

int import(int argc, const char* const* argv) {
  std::string source, destination;
  anemll::ImportOptions options;
  bool no_negatives = false;
  OptionTable table("anemll_cache import",
                    "Converts a folder of shard_*.pt to HDF5, checking every value on the way.");
  table.add_positional("SRC", &source,
                       "folder with shard_*.pt and meta.json, or an archive of one (.tgz, .tar.zst)", true);
  table.add_positional("DST", &destination, "folder to make, or one file when it ends in .h5", true);
  table.add("compress", &options.compress, "gzip level; 0 stores plainly, which reads 20 times faster", 0, 9);
  table.add_flag("overwrite", &options.overwrite, "replace DST if it is a KD cache");
  table.add_flag("no-negatives", &no_negatives, "leave the random negatives out");
  table.mark_path("SRC");
  table.mark_path("DST");
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  options.with_negatives = !no_negatives;
  report(destination, with_progress("import", [&](const anemll::ImportProgress& progress) {
           if (fs::is_regular_file(source)) {
             anemll::import_cache_archive(source, destination, options, progress);
           } else {
             anemll::import_torch_cache(source, destination, options, progress);
           }
         }));
  return 0;
}

int export_cache(int argc, const char* const* argv) {
  std::string source, destination;
  bool overwrite = false;
  OptionTable table("anemll_cache export",
                    "Converts an HDF5 cache to a folder that the Python reference reads.");
  table.add_positional("SRC", &source, "HDF5 folder or file", true);
  table.add_positional("DST", &destination, "folder to make", true);
  table.add_flag("overwrite", &overwrite, "replace DST if it is a KD cache");
  table.mark_path("SRC");
  table.mark_path("DST");
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  report(destination, with_progress("export", [&](const anemll::ImportProgress& progress) {
           anemll::export_torch_cache(source, destination, overwrite, progress);
         }));
  return 0;
}

/// Columns that not every cache has are told by their size, their number, or whether they are there.
nlohmann::ordered_json facts(const fs::path& path, const anemll::KdCacheInfo& info) {
  nlohmann::ordered_json json;
  json["path"] = path.string();
  json["sequences"] = info.sequences;
  json["shards"] = info.shards;
  json["length"] = info.length;
  json["positions"] = info.positions;
  json["topk"] = info.topk;
  json["rand_neg"] = info.rand_neg;
  json["vocab_size"] = info.vocab_size;
  json["all_attended"] = info.all_attended;
  json["holdout_sequences"] = info.holdout_sequences;
  for (const anemll::KdColumn& column : info.columns) {
    if (!column.in_index()) continue;
    const std::string name(column.name);
    const auto* number = std::get_if<double anemll::CacheShape::*>(&column.attribute.value);
    if (column.presence == anemll::Presence::sized) {
      json[name] = info.*column.sizes[1];
    } else if (number != nullptr) {
      json[name + "_" + std::string(column.attribute.name)] = info.**number;
    } else {
      json[name] = info.has(column);
    }
  }
  json["bytes"] = bytes_on_disk(path);
  json["fingerprint"] = info.fingerprint;
  json["meta"] = nlohmann::ordered_json::parse(info.meta_json);
  return json;
}

/// One line; of what holds more, a line for each part, indented below its name.
void print_fact(const std::string& name, const nlohmann::ordered_json& value, const std::string& indent) {
  constexpr int kColumn = 22;
  const std::string key = indent + name;
  if (value.is_object() && !value.empty()) {
    std::printf("%s\n", key.c_str());
    for (const auto& [part, content] : value.items()) print_fact(part, content, indent + "  ");
    return;
  }
  if (value.is_string() && value.get<std::string>().find('\n') != std::string::npos) {
    auto lines = nlohmann::ordered_json::array();
    std::istringstream text(value.get<std::string>());
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return print_fact(name, lines, indent);
  }
  const bool several = value.is_array() && value.size() > 1;
  const auto text = [](const nlohmann::ordered_json& one) {
    return one.is_string() ? anemll::printable(one.get<std::string>())
                           : one.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  };
  if (name == "token_samples") {  // they are for programs
    std::printf("%-*s %zu tokens (--json shows them)\n", kColumn, key.c_str(), value.size());
  } else if (several) {
    std::printf("%s\n", key.c_str());
    for (const auto& one : value) {
      if (one.is_object()) print_fact("-", one, indent + "  ");
      if (!one.is_object()) std::printf("%s  %s\n", indent.c_str(), text(one).c_str());
    }
  } else {
    std::printf("%-*s %s\n", kColumn, key.c_str(), text(value).c_str());
  }
}

int info(int argc, const char* const* argv) {
  std::string path;
  bool as_json = false;
  OptionTable table("anemll_cache info", "Opens a cache, checks its structure and says what it holds.");
  table.add_positional("PATH", &path, "HDF5 folder or file", true);
  table.add_flag("json", &as_json, "one JSON object");
  table.mark_path("PATH");
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  const nlohmann::ordered_json json = facts(path, anemll::KdCache::open(path).info());
  if (as_json) {
    std::printf("%s\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
    return 0;
  }
  for (const auto& [name, value] : json.items()) print_fact(name, value, "");
  return 0;
}

/// Rows that teach nothing are no fault of the cache, but nobody wants them.
void tell_unsupervised(const anemll::UnsupervisedRows& rows, const std::string& part) {
  if (rows.count == 0) return;
  std::string text;
  for (const std::int64_t row : rows.first) text += (text.empty() ? "" : ", ") + std::to_string(row);
  if (static_cast<std::int64_t>(rows.first.size()) < rows.count) text += ", ...";
  std::printf(
      "%lld sequence%s%s without a supervised token (rows %s): training and evaluation leave them out\n",
      static_cast<long long>(rows.count), rows.count == 1 ? "" : "s", part.c_str(), text.c_str());
}

int verify(int argc, const char* const* argv) {
  std::string path;
  OptionTable table("anemll_cache verify", "Reads everything; the first fault is an error with exit code 3.");
  table.add_positional("PATH", &path, "HDF5 folder or file", true);
  table.mark_path("PATH");
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  auto cache = anemll::KdCache::open(path);
  anemll::UnsupervisedRows rows;
  report(path, with_progress("verify",
                             [&](const anemll::ImportProgress& progress) { rows = cache.verify(progress); }));
  tell_unsupervised(rows, "");
  if (cache.info().holdout_sequences > 0) {
    auto holdout = anemll::KdCache::open(path, anemll::CachePart::holdout);
    with_progress("verify the hold-out part",
                  [&](const anemll::ImportProgress& progress) { rows = holdout.verify(progress); });
    tell_unsupervised(rows, " of the hold-out part");
  }
  anemll::print_result(anemll::strf("ok: %lld sequences, fingerprint %s\n",
                                    static_cast<long long>(cache.info().sequences),
                                    cache.info().fingerprint.c_str()));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const anemll::Command commands[] = {{"import", import, anemll::ProgramKind::maker},
                                      {"export", export_cache, anemll::ProgramKind::maker},
                                      {"info", info, anemll::ProgramKind::filter},
                                      {"verify", verify, anemll::ProgramKind::maker}};
  return anemll::run_tool([&] { return anemll::run_command("anemll_cache", kUsage, commands, argc, argv); });
}
