#include "src/runs/internal/run_files.hpp"

#include "anemll/core/file.hpp"
#include "src/core/normalised.hpp"
#include "src/core/printable.hpp"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <string_view>
#include <system_error>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr std::string_view kStatePrefix = "step_";
constexpr std::size_t kTail = std::size_t{256} << 10;
constexpr std::size_t kMostDumps = 64;
constexpr std::size_t kMostOfALine = 240;

/// Nothing where the file is not there, is being replaced or holds no object.
std::optional<json> object_in(const fs::path& file) {
  try {
    json object = json::parse(read_text(file), nullptr, false);
    if (object.is_object()) return object;
  } catch (const std::exception&) {
  }
  return std::nullopt;
}

std::optional<std::int64_t> whole_number(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

std::string text_in(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> all;
  std::error_code none;
  for (auto at = fs::directory_iterator(folder, none); at != fs::directory_iterator(); at.increment(none)) {
    all.push_back(at->path());
    if (none) break;
  }
  std::ranges::sort(all);
  return all;
}

std::string tail_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  const auto size = static_cast<std::streamoff>(in.tellg());
  if (!in || size <= 0) return {};
  const auto most = static_cast<std::streamoff>(kTail);
  in.seekg(std::max<std::streamoff>(size - most, 0));
  std::string text(static_cast<std::size_t>(std::min(size, most)), '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return text;
}

/// "2 ranks (mpi), 8 threads each": the number in front of the words.
std::optional<std::int64_t> ranks_in(std::string_view line) {
  std::size_t at = line.find(" ranks (");
  if (at == std::string_view::npos) at = line.find(" rank (");
  if (at == std::string_view::npos || line.find(" GEMMs", at) == std::string_view::npos) return std::nullopt;
  std::size_t begin = at;
  while (begin > 0 && line[begin - 1] >= '0' && line[begin - 1] <= '9') --begin;
  if (begin == at) return std::nullopt;
  return std::strtoll(std::string(line.substr(begin, at - begin)).c_str(), nullptr, 10);
}

/// "slowest rank: 1 on HOST, ..." and "[rank 1 on HOST]".
std::string host_in(std::string_view line) {
  for (const std::string_view mark : {"slowest rank: ", "[rank "}) {
    const std::size_t at = line.find(mark);
    const std::size_t on = at == std::string_view::npos ? at : line.find(" on ", at);
    if (on == std::string_view::npos || on > at + mark.size() + 8) continue;
    const std::string_view rest = line.substr(on + 4);
    return std::string(rest.substr(0, rest.find_first_of(",] \n")));
  }
  return "";
}

/// The line without what is in front of it where it is a warning or an error; else nothing.
std::string warning_in(std::string_view line) {
  if (line.starts_with("error: ")) return std::string(line);
  if (!line.starts_with('[')) return "";  // "[12:00:00 +1.0s] warning: ", "[rank 1 on host] error: "
  for (const std::string_view mark : {"] warning: ", "] error: "}) {
    const std::size_t at = line.find(mark);
    if (at != std::string_view::npos) return std::string(line.substr(at + mark.size()));
  }
  return "";
}

}  // namespace

std::optional<double> age_of(const fs::path& file) {
  std::error_code none;
  const auto written = fs::last_write_time(file, none);
  if (none) return std::nullopt;
  const std::chrono::duration<double> age = fs::file_time_type::clock::now() - written;
  return std::max(age.count(), 0.0);
}

std::optional<StateFolder> newest_state(const fs::path& folder) {
  std::optional<StateFolder> newest;
  for (const fs::path& entry : entries_of(folder / "state")) {
    const std::string name = entry.filename().string();
    if (!name.starts_with(kStatePrefix)) continue;
    const std::string digits = name.substr(kStatePrefix.size());
    const bool whole = !digits.empty() && digits.find_first_not_of("0123456789") == std::string::npos &&
                       has_name(entry / "manifest.json");
    if (!whole) continue;  // a draft, or one that is replaced
    const std::int64_t step = std::strtoll(digits.c_str(), nullptr, 10);
    if (!newest || step > newest->step) newest = StateFolder{step, entry};
  }
  return newest;
}

std::optional<std::int64_t> max_steps_of(const fs::path& folder) {
  if (const auto config = object_in(folder / "config.json")) {
    if (const auto steps = whole_number(*config, "max_steps")) return steps;
  }
  const auto state = newest_state(folder);
  const auto trainer = state ? object_in(state->path / "trainer.json") : std::nullopt;
  if (!trainer || !trainer->contains("options") || !(*trainer)["options"].is_object()) return std::nullopt;
  return whole_number((*trainer)["options"], "max-steps");
}

void add_hosts(std::span<const std::string> ran_on, Notes& notes) {
  if (ran_on.empty()) return;
  notes.ranks = static_cast<std::int64_t>(ran_on.size());
  for (const std::string& host : ran_on) {
    if (!host.empty()) notes.hosts.insert(printable(host));
  }
}

void read_state(const StateFolder& state, Notes& notes) {
  const auto trainer = object_in(state.path / "trainer.json");
  if (!trainer || !trainer->contains("ran_on") || !(*trainer)["ran_on"].is_array()) return;
  std::vector<std::string> hosts;
  for (const json& host : (*trainer)["ran_on"])
    hosts.push_back(host.is_string() ? host.get<std::string>() : "");
  add_hosts(hosts, notes);
}

void read_dumps(const fs::path& folder, Notes& notes) {
  std::vector<fs::path> dumps;
  for (const fs::path& entry : entries_of(folder / "flight")) {
    const std::string name = entry.filename().string();
    if (name.starts_with("flight_") && name.ends_with(".json")) dumps.push_back(entry);  // sorted by time
  }
  const std::size_t begin = dumps.size() > kMostDumps ? dumps.size() - kMostDumps : 0;
  std::set<std::string> told;
  for (std::size_t i = begin; i < dumps.size(); ++i) {
    const auto dump = object_in(dumps[i]);
    if (!dump) continue;
    if (const auto ranks = whole_number(*dump, "ranks")) notes.ranks = ranks;
    std::vector<json> known;
    if (dump->contains("known") && (*dump)["known"].is_array())
      known = (*dump)["known"].get<std::vector<json>>();
    std::string whose;
    if (const auto mine = dump->find("mine"); mine != dump->end() && mine->is_object()) {
      known.push_back(*mine);
      if (const auto rank = whole_number(*mine, "rank")) whose = ", rank " + std::to_string(*rank);
      if (const std::string host = text_in(*mine, "host"); !host.empty()) whose += " on " + host;
    }
    for (const json& rank : known) {
      if (const std::string host = rank.is_object() ? text_in(rank, "host") : ""; !host.empty())
        notes.hosts.insert(printable(host));
    }
    // Ranks write one each for the same reason: the first tells.
    const std::string reason = text_in(*dump, "reason");
    if (!told.insert(reason + text_in(*dump, "time").substr(0, 16)).second) continue;
    notes.warnings.push_back(
        printable("dump of " + text_in(*dump, "time") + whose + ": " + reason, kMostOfALine));
  }
}

void read_stderr(const fs::path& file, Notes& notes) {
  const std::string text = tail_of(file);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (const auto ranks = ranks_in(line)) notes.ranks = ranks;
    if (const std::string host = host_in(line); !host.empty()) notes.hosts.insert(printable(host));
    const std::string warning = printable(warning_in(line), kMostOfALine);
    if (warning.empty()) continue;
    std::erase(notes.warnings, warning);  // a later one of the same words counts
    notes.warnings.push_back(warning);
  }
}

std::vector<fs::path> stderr_files(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code none;
  for (const fs::path& entry : entries_of(folder)) {
    const std::string end = entry.extension().string();
    if ((end == ".log" || end == ".err" || end == ".out") && fs::is_regular_file(entry, none))
      found.push_back(entry);
  }
  const fs::path plain = normalised(folder);
  for (const char* end : {".log", ".err", ".out"}) {
    const fs::path beside = plain.string() + end;
    if (fs::is_regular_file(beside, none)) found.push_back(beside);
  }
  return found;
}

}  // namespace anemll
