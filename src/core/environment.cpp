// See environment.hpp. The table of names here is the only one.
#include "src/core/internal/environment.hpp"

#include "src/core/nearest.hpp"
#include "src/core/one_of.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

namespace anemll {
namespace {

constexpr std::string_view kOurs = "ANEMLL_";
constexpr std::string_view kLogLevel = "ANEMLL_LOG_LEVEL";

constexpr std::array<std::string_view, 12> kDocumented = {
    kLogLevel,                   // least level of log lines
    "ANEMLL_TERM_BECOMES_USR1",  // launch/env.sh
    "ANEMLL_TORCH_ROOT",         // launch/setup.sh and CMake
    "ANEMLL_ARROW_ROOT",
    "ANEMLL_DEPS_DIR",
    "ANEMLL_BIN",  // tests
    "ANEMLL_LAUNCH",
    "ANEMLL_TEST_DATA",
    "ANEMLL_TEST_MODELS",
    "ANEMLL_SANITIZE",  // CMake
    "ANEMLL_WITH_CUDA",
    "ANEMLL_WITH_PARQUET",
};
// Of the recipes in launch/, which start the programs with them. No program reads one, so none is suggested.
constexpr std::array<std::string_view, 4> kOfScripts = {"ANEMLL_DRIVE", "ANEMLL_CACHES", "ANEMLL_GFLOPS",
                                                        "ANEMLL_LOCK_WAIT_S"};
// Programs with a prefix of their own: the others leave their variables alone.
constexpr std::array<std::string_view, 1> kProgramPrefixes = {"ANEMLL_PRECOMPUTE_"};
constexpr std::array<std::string_view, 4> kLevels = {"debug", "info", "warning", "error"};

std::string upper(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

/// Every variable that the program reads.
std::vector<std::string> read_variables(const TableSpec& table) {
  std::vector<std::string> all(kDocumented.begin(), kDocumented.end());
  for (const OptionSpec& o : table.options) {
    for (std::string& variable : table.variables(o)) all.push_back(std::move(variable));
  }
  return all;
}

/// The known name that differs in a third of the letters behind the common prefix at most; underscores and
/// case do not count.
std::optional<std::string> nearest(const std::string& variable, const std::vector<std::string>& known) {
  const auto letters = [](std::string_view name) {
    std::string out = upper(name.substr(std::min(kOurs.size(), name.size())));
    std::erase_if(out, [](char c) { return c == '_' || c == '-'; });
    return out;
  };
  const std::string wanted = letters(variable);
  std::size_t limit = std::max<std::size_t>(1, wanted.size() / 3) + 1;
  std::optional<std::string> best;
  for (const std::string& name : known) {
    const std::size_t distance = edit_distance(wanted, letters(name));
    if (distance >= limit) continue;
    limit = distance;
    best = name;
  }
  return best;
}

/// What other trainers call an option: ANEMLL_NUM_TRAIN_EPOCHS.
std::optional<std::string> by_other_trainers(std::string_view variable, const TableSpec& table) {
  const std::string prefix = table.environment_prefix + "_";
  std::string name = upper(variable);
  if (!name.starts_with(prefix)) return std::nullopt;
  name.erase(0, prefix.size());
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const OtherName* row = table.by_other_name(name);
  return row == nullptr ? std::nullopt : std::optional(table.variable(table.canonical(row->ours)));
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      words.back() += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

bool within(const std::vector<std::string>& few, const std::vector<std::string>& many) {
  return std::all_of(few.begin(), few.end(), [&](const std::string& word) { return is_one_of(word, many); });
}

/// The option that these words mean although it is spelt otherwise: by their first letters (LEARNING_RATE:
/// lr), as part of its name or the name as part of them (MODEL: model-id), or by the words of its help.
std::optional<std::string> by_words(std::string_view variable, const TableSpec& table) {
  const std::size_t prefix = table.environment_prefix.size() + 1;
  const std::vector<std::string> words = words_of(variable.substr(std::min(prefix, variable.size())));
  if (words.empty()) return std::nullopt;
  std::string initials;
  for (const std::string& word : words) initials += word.front();
  // The reasons in the order of their weight; a reason that holds for several options is none.
  std::array<std::vector<std::string>, 3> found;
  for (const OptionSpec& o : table.options) {
    if (o.kind == OptionKind::positional || o.kind == OptionKind::builtin || o.kind == OptionKind::refused)
      continue;
    const std::vector<std::string> name = words_of(o.name);
    if (initials.size() > 1 && upper(o.name) == initials) found[0].push_back(o.name);
    if (within(words, name) || (name.size() > 1 && within(name, words))) found[1].push_back(o.name);
    if (words.size() > 1 && within(words, words_of(o.help))) found[2].push_back(o.name);
  }
  for (const std::vector<std::string>& options : found) {
    if (options.size() == 1) return table.variable(options.front());
  }
  return std::nullopt;
}

bool belongs_elsewhere(const std::string& variable, const TableSpec& table) {
  return std::any_of(kProgramPrefixes.begin(), kProgramPrefixes.end(), [&](std::string_view prefix) {
    return upper(variable).starts_with(prefix) && table.environment_prefix + "_" != prefix;
  });
}

}  // namespace

std::vector<EnvironmentNotice> environment_notices(const TableSpec& table, const char* const* environment) {
  std::vector<EnvironmentNotice> notices;
  if (table.environment_prefix.empty() || environment == nullptr) return notices;
  const std::vector<std::string> known = read_variables(table);
  std::string unread, read;
  for (; *environment != nullptr; ++environment) {
    const std::string_view entry(*environment);
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos || equals + 1 == entry.size()) continue;  // empty means unset
    const std::string name(entry.substr(0, equals));
    if (!upper(name).starts_with(kOurs) || belongs_elsewhere(name, table)) continue;
    if (is_one_of(name, kOfScripts)) continue;
    if (name == kLogLevel && !is_one_of(entry.substr(equals + 1), kLevels)) {
      notices.push_back({name + " is none of debug, info, warning, error: info is used", true});
    }
    if (is_one_of(name, known)) {
      if (!is_one_of(name, kDocumented)) read += (read.empty() ? "" : ", ") + name;
      continue;
    }
    auto meant = by_other_trainers(name, table);
    if (!meant) meant = nearest(name, known);
    if (!meant) meant = by_words(name, table);
    if (meant) {
      notices.push_back({"the variable " + name + " is not read; did you mean " + *meant + "?", true});
    } else {
      unread += (unread.empty() ? "" : ", ") + name;
    }
  }
  if (!read.empty()) notices.push_back({"options are taken from the environment: " + read});
  if (!unread.empty()) {
    notices.push_back({"these variables are not read by " + table.program + ": " + unread});
  }
  return notices;
}

}  // namespace anemll
