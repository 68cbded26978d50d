#include "src/datasets/internal/file_names.hpp"

#include "anemll/core/error.hpp"
#include "src/datasets/internal/glob.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <span>

namespace anemll::datasets {
namespace {

using Parts = std::vector<std::string>;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0;
}
bool is_mark(char c) {
  return c == '-' || c == '.' || c == '_';
}

Parts parts_of(std::string_view path) {
  Parts out;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    if (slash != 0) out.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return out;
}

/// "train-00000-of-00003-a09b" -> "train": the number of a part and all behind it.
std::string_view without_shard(std::string_view stem) {
  for (std::size_t at = stem.find("of"); at != std::string_view::npos; at = stem.find("of", at + 1)) {
    std::size_t end = at + 3;
    if (at < 2 || end >= stem.size() || !is_mark(stem[at - 1]) || !is_mark(stem[at + 2]) ||
        !is_digit(stem[end]))
      continue;
    std::size_t begin = at - 1;
    while (begin > 0 && is_digit(stem[begin - 1])) --begin;
    if (begin == at - 1) continue;
    while (begin > 0 && is_mark(stem[begin - 1])) --begin;
    return stem.substr(0, begin);
  }
  return stem;
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && is_mark(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_mark(text.back())) text.remove_suffix(1);
  return std::string(text);
}

/// The end of the number that may follow a part at `at`, with or without a '_' before it.
std::size_t past_number(std::string_view name, std::size_t at) {
  std::size_t end = at;
  if (end < name.size() && name[end] == '_') ++end;
  const std::size_t digits = end;
  while (end < name.size() && is_digit(name[end])) ++end;
  return end == digits ? at : end;
}

struct Found {
  std::string rest;  ///< of the name
};

/// Where `word` is an exact part of `name`, which is in lower case. `after_mark`: '_' before it will do.
std::optional<Found> exact_part(std::string_view name, std::string_view word, bool after_mark) {
  if (word.empty()) return std::nullopt;
  for (std::size_t at = name.find(word); at != std::string_view::npos; at = name.find(word, at + 1)) {
    const char before = at == 0 ? '-' : name[at - 1];
    if (before != '-' && before != '.' && !(after_mark && before == '_')) continue;
    const std::size_t end = past_number(name, at + word.size());
    if (end != name.size() && name[end] != '-' && name[end] != '.') continue;
    const std::string left = trimmed(name.substr(0, at)), right = trimmed(name.substr(end));
    const bool only_number = std::all_of(right.begin(), right.end(), is_digit);
    if (only_number) return Found{left};
    return Found{left.empty() ? right : left + "-" + right};
  }
  return std::nullopt;
}

/// Whether one of the words stands in `name` with no letter beside it.
bool has_word(std::string_view name, const SplitWords& words) {
  for (const std::string& word : words) {
    for (std::size_t at = name.find(word); at != std::string_view::npos; at = name.find(word, at + 1)) {
      const std::size_t end = at + word.size();
      if ((at == 0 || !is_letter(name[at - 1])) && (end == name.size() || !is_letter(name[end]))) return true;
    }
  }
  return false;
}

bool has_any_word(std::string_view name) {
  return std::any_of(known_splits().begin(), known_splits().end(),
                     [&](const SplitWords& words) { return has_word(name, words); });
}

struct SplitPart {
  std::string split;
  std::string rest;
};

/// The split that one folder's or file's name tells. A name with two of them tells none.
std::optional<SplitPart> split_part(std::string_view name, const std::string& wanted, bool prose) {
  std::optional<SplitPart> found;
  for (const SplitWords& words : known_splits()) {
    for (const std::string& word : words) {
      auto part = exact_part(name, word, true);
      if (!part || (prose && !part->rest.empty())) continue;
      if (found && found->split != words.front()) return std::nullopt;
      found = SplitPart{words.front(), part->rest};
    }
  }
  // A name in which the rest is a split's too ("train_test") is no exact one.
  if (found && has_any_word(found->rest)) found.reset();
  if (const auto part = exact_part(name, wanted, false)) {
    const bool known = std::any_of(known_splits().begin(), known_splits().end(),
                                   [&](const SplitWords& words) { return words.front() == wanted; });
    if (!known && !(prose && !part->rest.empty())) return SplitPart{wanted, part->rest};
  }
  return found;
}

/// The part of the name that has a split's word in it, without its number.
std::string unsure_part(std::string_view name) {
  while (!name.empty()) {
    const std::size_t mark = name.find_first_of("-.");
    const std::string_view part = name.substr(0, mark);
    if (has_any_word(part)) {
      std::string_view word = part;
      while (!word.empty() && is_digit(word.back())) word.remove_suffix(1);
      return trimmed(word.empty() ? part : word);
    }
    if (mark == std::string_view::npos) break;
    name.remove_prefix(mark + 1);
  }
  return {};
}

/// part-0, shard_12, chunk3: a piece of what lies beside it.
bool is_piece(std::string_view folder) {
  const std::string name = lower_case(folder);
  for (const std::string_view word : {"part", "shard", "chunk"}) {
    if (!name.starts_with(word)) continue;
    const std::string rest = trimmed(std::string_view(name).substr(word.size()));
    if (!rest.empty() && std::all_of(rest.begin(), rest.end(), is_digit)) return true;
  }
  return false;
}

bool matches_parts(std::span<const std::string> pattern, std::span<const std::string> path) {
  if (pattern.empty()) return path.empty();
  if (pattern.front() == "**") {
    if (pattern.size() == 1) return !path.empty();
    for (std::size_t skip = 0; skip <= path.size(); ++skip)
      if (matches_parts(pattern.subspan(1), path.subspan(skip))) return true;
    return false;
  }
  return !path.empty() && matches(pattern.front(), path.front()) &&
         matches_parts(pattern.subspan(1), path.subspan(1));
}

}  // namespace

const std::vector<SplitWords>& known_splits() {
  // As the datasets library of Python has them.
  static const std::vector<SplitWords> kSplits = {{"train", "training"},
                                                  {"validation", "valid", "val", "dev"},
                                                  {"test", "testing", "eval", "evaluation"}};
  return kSplits;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string stem_of(std::string_view file) {
  constexpr std::array<std::string_view, 13> kExtensions = {
      ".gz",      ".zst",   ".bz2", ".xz",  ".json", ".jsonl", ".ndjson",
      ".parquet", ".arrow", ".csv", ".tsv", ".txt",  ".md"};
  const std::string lower = lower_case(file);
  std::size_t size = file.size();
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view extension : kExtensions) {
      if (size <= extension.size() || !std::string_view(lower).substr(0, size).ends_with(extension)) continue;
      size -= extension.size();
      again = true;
    }
  }
  return std::string(file.substr(0, size));
}

NameLabel label_of(const std::string& path, const std::string& wanted, bool prose) {
  NameLabel label;
  Parts parts = parts_of(path);
  if (parts.empty()) return label;
  parts.back() = stem_of(parts.back());
  std::size_t at = parts.size();  // of the part that tells the split
  std::string rest;
  for (std::size_t i = parts.size(); i-- > 0 && label.split.empty();) {
    const std::string name = lower_case(without_shard(parts[i]));
    if (const auto part = split_part(name, wanted, prose)) {
      label.split = part->split;
      rest = part->rest;
      at = i;
    } else if (label.unsure.empty() && !prose) {
      label.unsure = unsure_part(name);
    }
  }
  // The name nearest to the file tells: an uncertain one in front of a certain one leaves it uncertain.
  if (!label.unsure.empty()) label.split.clear();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool file = i + 1 == parts.size();
    if (i == at) {
      if (!rest.empty()) label.group.push_back(file ? rest + "*" : rest);
    } else if (!file && !is_piece(parts[i])) {
      label.group.push_back(parts[i]);
    }
  }
  return label;
}

std::string group_name(const std::vector<std::string>& group) {
  std::string out;
  for (const std::string& part : group) out += (out.empty() ? "" : "/") + part;
  return out.empty() ? "." : out;
}

std::optional<std::string> place_of_config(const std::string& path, const std::string& config) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
  // As whole names of folders: "en" is no part of "en-small".
  const std::string inside = "/" + folder;
  if (const std::size_t at = inside.find("/" + config + "/"); at != std::string::npos)
    return inside.substr(1, at + config.size());
  const std::string stem = stem_of(path.substr(folder.size()));
  const std::string name(without_shard(stem));
  const auto part = split_part(lower_case(name), {}, false);
  // A number counts as a piece's only with a zero in front: wikitext-2 is no piece of wikitext.
  const std::string number =
      stem.starts_with(config) ? trimmed(std::string_view(stem).substr(config.size())) : "";
  const bool piece = number.starts_with('0') && std::all_of(number.begin(), number.end(), is_digit);
  if (name == config || stem == config || piece || (part && part->rest == lower_case(config)))
    return folder + config + "*";
  return std::nullopt;
}

bool matches_path(std::string_view pattern, std::string_view path) {
  return matches_parts(parts_of(pattern), parts_of(path));
}

void require_split_name(const std::string& split) {
  if (split.find_first_of("[+%") == std::string::npos) return;
  throw_usage("'" + split + "' is more than the name of a split", "--dataset_split",
              "slices and sums of splits are not read: cut the files, or name them: --dataset_name "
              "'FOLDER/*.parquet'");
}

}  // namespace anemll::datasets
