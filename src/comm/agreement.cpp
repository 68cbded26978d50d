// See agreement.hpp. What travels is text: JSON made here and read here.
#include "src/comm/agreement.hpp"

#include "anemll/core/log.hpp"
#include "src/comm/internal/start_timer.hpp"
#include "src/core/build_info.hpp"
#include "src/core/hash.hpp"
#include "src/core/tool.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using Json = nlohmann::ordered_json;
using Facts = std::vector<std::pair<std::string, std::string>>;

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_text(const Facts& facts) {
  Json list = Json::array();
  for (const auto& [key, value] : facts) list.push_back({key, value});
  return text_of(list);
}

Facts facts_of(const std::string& text) {
  Facts facts;
  for (const Json& pair : Json::parse(text)) facts.emplace_back(pair.at(0), pair.at(1));
  return facts;
}

std::string value_in(const Facts& facts, const std::string& key) {
  const auto found =
      std::find_if(facts.begin(), facts.end(), [&](const auto& fact) { return fact.first == key; });
  return found == facts.end() ? "none" : found->second;
}

/// "rank 1", "ranks 1, 2, 3".
std::string ranks_text(const std::vector<std::size_t>& ranks) {
  std::string text = ranks.size() == 1 ? "rank" : "ranks";
  for (std::size_t i = 0; i < ranks.size(); ++i) text += (i == 0 ? " " : ", ") + std::to_string(ranks[i]);
  return text;
}

/// A line per key in which some rank differs from rank 0.
std::string table_of(const std::vector<Facts>& all) {
  std::vector<std::string> keys;
  for (const Facts& facts : all) {
    for (const auto& [key, value] : facts) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  std::string text;
  for (const std::string& key : keys) {
    const std::string first = value_in(all.front(), key);
    std::map<std::string, std::vector<std::size_t>> others;
    for (std::size_t rank = 1; rank < all.size(); ++rank) {
      const std::string value = value_in(all[rank], key);
      if (value != first) others[value].push_back(rank);
    }
    if (others.empty()) continue;
    text += "\n    " + key + ": " + first + " on rank 0";
    for (const auto& [value, ranks] : others) text += ", " + value + " on " + ranks_text(ranks);
  }
  return text;
}

Agreement build_agreement() {
  Agreement build(ExitCode::usage, "start the same installation of the program on every host");
  const Json facts = Json::parse(build_json());  // items() of a temporary would outlive it
  for (const auto& [key, value] : facts.items()) build.add("build " + key, text_of(value));
  return build;
}

/// What one rank found when it parsed its own words.
struct Parsed {
  OptionTable::Outcome outcome = OptionTable::Outcome::run;
  std::optional<Error> failure;
};

Parsed parse_here(OptionTable& table, int argc, const char* const* argv, bool tell) {
  Parsed parsed;
  try {
    parsed.outcome = table.parse(argc, argv, tell);
  } catch (...) {
    parsed.failure = current_error();
  }
  return parsed;
}

/// One line per option that some rank was told otherwise.
void tell_differences(const std::vector<OptionTable::Difference>& mine, Communicator& comm) {
  Json list = Json::array();
  for (const OptionTable::Difference& d : mine)
    list.push_back({d.name, d.there, d.here + " (" + d.source + ")"});
  const std::vector<std::string> lists = gather_strings(comm, text_of(list));
  if (!comm.is_root()) return;
  std::vector<Facts> all(lists.size());
  for (std::size_t rank = 1; rank < lists.size(); ++rank) {
    for (const Json& entry : Json::parse(lists[rank])) {
      const std::string name = entry.at(0);
      if (value_in(all.front(), name) == "none") all.front().emplace_back(name, entry.at(1));
      all[rank].emplace_back(name, entry.at(2));
    }
  }
  // A rank that does not name an option agrees with rank 0.
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    for (const auto& [name, value] : all.front()) {
      if (value_in(all[rank], name) == "none") all[rank].emplace_back(name, value);
    }
  }
  if (const std::string table = table_of(all); !table.empty())
    log_warning("ranks were given other options; those of rank 0 count:" + table);
}

}  // namespace

void throw_first_failure(Communicator& comm, const std::optional<Error>& mine, std::string place) {
  Json report;  // null: no failure
  if (mine) {
    if (place.empty()) place = "on rank " + std::to_string(comm.rank());
    report = {{static_cast<int>(mine->code()), mine->problem(), mine->where(), mine->hint()}, place};
  }
  std::vector<Json> reports;
  for (const std::string& text : gather_strings(comm, text_of(report))) reports.push_back(Json::parse(text));
  const auto failed =
      std::find_if(reports.begin(), reports.end(), [](const Json& r) { return !r.is_null(); });
  if (failed == reports.end()) return;
  const Json& error = failed->at(0);
  const bool everywhere = std::all_of(reports.begin(), reports.end(),
                                      [&](const Json& r) { return !r.is_null() && r.at(0) == error; });
  const std::string where = everywhere ? "" : " (" + failed->at(1).get<std::string>() + ")";
  throw Error(static_cast<ExitCode>(error.at(0).get<int>()), error.at(1).get<std::string>() + where,
              error.at(2).get<std::string>(), error.at(3).get<std::string>());
}

void Agreement::check(Communicator& comm) const {
  if (comm.size() == 1) return;
  const std::string mine = to_text(facts_);
  const std::string hash = sha256_hex(mine);
  std::string hashes(hash.size() * static_cast<std::size_t>(comm.size()), '\0');
  comm.all_gather(std::as_bytes(std::span(hash)), std::as_writable_bytes(std::span(hashes)));
  bool same = true;
  for (std::size_t at = 0; at < hashes.size(); at += hash.size())
    same &= hashes.compare(at, hash.size(), hash) == 0;
  // Equal for one rank and not for another cannot be: all hashes are held against each other.
  if (!any_rank(comm, !same)) return;
  std::vector<Facts> all;
  for (const std::string& text : gather_strings(comm, mine)) all.push_back(facts_of(text));
  throw Error(kind_, problem_ + ":" + table_of(all), "", hint_);
}

OptionTable::Outcome parse_together(OptionTable& table, int argc, const char* const* argv,
                                    Communicator& comm) {
  const Parsed parsed = parse_here(table, argc, argv, comm.is_root());
  const StartTimer timer("the comparison of options", comm.rank());
  build_agreement().check(comm);
  throw_first_failure(comm, parsed.failure);
  auto outcome = static_cast<std::int64_t>(parsed.outcome);
  comm.broadcast(std::as_writable_bytes(std::span(&outcome, 1)), 0);
  if (static_cast<OptionTable::Outcome>(outcome) == OptionTable::Outcome::exit_ok)
    return OptionTable::Outcome::exit_ok;
  std::string shared = table.shared_json();
  broadcast_string(comm, shared, 0);
  tell_differences(table.adopt(shared), comm);
  return OptionTable::Outcome::run;
}

}  // namespace anemll
