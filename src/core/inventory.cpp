#include "anemll/core/inventory.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/printable.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

constexpr std::size_t kShownNames = 5;
constexpr std::size_t kShownBytes = 120;  // of a name

const char* key_of(Fate fate) {
  switch (fate) {
    case Fate::used:
      return "used";
    case Fate::compared:
      return "compared";
    case Fate::left_out:
      break;
  }
  return "left_out";
}

/// "3 keys of config.json", "2 entries of the index": the noun is what stands before " of ".
std::string counted(std::int64_t count, const std::string& kind) {
  std::string noun = kind.substr(0, kind.find(" of "));
  const std::string rest = kind.substr(noun.size());
  if (count != 1) {
    if (noun.ends_with("try")) noun.replace(noun.size() - 1, 1, "ie");
    noun += 's';
  }
  return strf("%lld ", static_cast<long long>(count)) + noun + rest;
}

/// One line per kind and reason of the parts of this fate; parts that were compared and found alike have no
/// reason and no line.
template <class Parts>
std::vector<std::string> lines_of(const Parts& parts, Fate fate) {
  struct Line {
    std::int64_t total = 0;
    std::vector<std::pair<std::string, std::int64_t>> names;
  };
  std::map<std::pair<std::string, std::string>, Line> lines;
  for (const auto& [part, count] : parts) {
    if (part.fate != fate || (fate != Fate::left_out && part.why.empty())) continue;
    Line& line = lines[{part.kind, part.why}];
    line.total += count;
    line.names.emplace_back(part.name, count);
  }
  const char* head = fate == Fate::left_out ? "not used" : "differs";
  std::vector<std::string> out;
  for (const auto& [key, line] : lines) {
    const auto& [kind, why] = key;
    std::string names;
    for (std::size_t i = 0; i < std::min(line.names.size(), kShownNames); ++i) {
      names += (i == 0 ? "" : ", ") + printable(line.names[i].first, kShownBytes);
      if (line.names[i].second > 1) names += strf(" x %lld", static_cast<long long>(line.names[i].second));
    }
    if (line.names.size() > kShownNames) names += strf(", ... (%zu names)", line.names.size());
    out.push_back(strf("%s: %s (%s)", head, counted(line.total, kind).c_str(), names.c_str()) +
                  (why.empty() ? "" : ": " + why));
  }
  return out;
}

}  // namespace

void Inventory::add(Fate fate, std::string_view kind, std::string_view name, std::string_view why,
                    std::int64_t count) {
  parts_[{fate, std::string(kind), std::string(name), std::string(why)}] += count;
}

void Inventory::add(const Inventory& other) {
  for (const auto& [part, count] : other.parts_) parts_[part] += count;
}

std::int64_t Inventory::count(Fate fate) const {
  std::int64_t sum = 0;
  for (const auto& [part, count] : parts_) sum += part.fate == fate ? count : 0;
  return sum;
}

std::vector<std::string> Inventory::left_out_lines() const {
  return lines_of(parts_, Fate::left_out);
}

std::map<std::string, std::int64_t> Inventory::names(Fate fate, std::string_view kind) const {
  std::map<std::string, std::int64_t> found;
  for (const auto& [part, count] : parts_) {
    if (part.fate == fate && part.kind == kind) found[part.name] += count;
  }
  return found;
}

std::string Inventory::json() const {
  nlohmann::ordered_json out = {{"used", nlohmann::ordered_json::object()},
                                {"compared", nlohmann::ordered_json::object()},
                                {"left_out", nlohmann::ordered_json::object()}};
  for (const auto& [part, count] : parts_) {
    auto& sum = out[key_of(part.fate)][part.kind][part.name];  // parts that differ in the reason add up
    sum = (sum.is_null() ? 0 : sum.get<std::int64_t>()) + count;
  }
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void Inventory::tell(const std::string& where, bool strict) const {
  for (const std::string& line : lines_of(parts_, Fate::compared)) log_warning(where + ": " + line);
  const std::vector<std::string> lines = left_out_lines();
  if (lines.empty()) return;
  if (strict) {
    std::string all = lines.front();
    for (std::size_t i = 1; i < lines.size(); ++i) all += "; " + lines[i];
    throw_data(all, where, "mend the input, or drop --strict to go on without these parts");
  }
  for (const std::string& line : lines) log_warning(where + ": " + line);
}

}  // namespace anemll
