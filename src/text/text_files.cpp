#include "src/text/internal/text_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/one_of.hpp"
#include "src/text/utf8.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <simdjson.h>

namespace anemll::text {
namespace fs = std::filesystem;
namespace {

constexpr const char* kTemplate = "chat_template.jinja";
constexpr const char* kTemplates = "additional_chat_templates";
constexpr const char* kConfig = "tokenizer_config.json";

/// Text files of a model folder that other functions read, or that have no part in making ids.
constexpr std::array<std::string_view, 7> kRead{"tokenizer.json",      "tokenizer_config.json",
                                                "added_tokens.json",   "special_tokens_map.json",
                                                "chat_template.jinja", "vocab.json",
                                                "merges.txt"};
constexpr std::array<std::string_view, 10> kStems{
    "tokenizer",     "vocab",  "merges",        "added_tokens", "special_tokens",
    "chat_template", "spiece", "sentencepiece", "tekken",       "tiktoken"};
constexpr std::array<std::string_view, 7> kEndings{".json", ".jinja", ".txt",     ".model",
                                                   ".spm",  ".bpe",   ".tiktoken"};

void add_difference(Inventory& inventory, const std::string& file, const std::string& difference) {
  inventory.add(difference.empty() ? Fate::compared : Fate::left_out, "file", file, difference);
}

std::string vocabulary_difference(const fs::path& path, const TokenizerSpec& spec) {
  simdjson::dom::parser parser;
  simdjson::dom::object entries;
  const std::string text = read_input_text(path);
  if (parser.parse(text).get(entries) != simdjson::SUCCESS) return "it is no object of tokens and ids";
  std::unordered_map<std::string_view, std::int32_t> added;
  for (const AddedToken& token : spec.added) added.emplace(token.content, token.id);
  const std::size_t size = spec.vocabulary.size();
  std::vector<bool> seen(size);
  std::size_t other = 0;
  for (const auto entry : entries) {
    std::int64_t id = -1;
    const bool valid = entry.value.get(id) == simdjson::SUCCESS && id >= 0;
    const auto place = static_cast<std::size_t>(id);
    if (valid && place < size && spec.vocabulary[place] == entry.key) {
      seen[place] = true;
      continue;
    }
    const auto found = added.find(entry.key);
    if (!valid || found == added.end() || found->second != id) ++other;
  }
  std::size_t lacking = 0;
  for (std::size_t id = 0; id < size; ++id) {
    if (!seen[id] && !spec.vocabulary[id].empty() && !added.contains(spec.vocabulary[id])) ++lacking;
  }
  if (other + lacking == 0) return {};
  return strf(
      "it differs from tokenizer.json, which is used: %zu tokens that are other there, %zu that it lacks",
      other, lacking);
}

std::string merges_difference(const fs::path& path, const TokenizerSpec& spec) {
  const std::string text = read_input_text(path);
  std::size_t rank = 0, line = 0, at = 0;
  while (at < text.size()) {
    std::size_t end = std::min(text.find('\n', at), text.size());
    const std::size_t next = end + 1;
    if (end > at && text[end - 1] == '\r') --end;
    const std::string_view merge(text.data() + at, end - at);
    at = next;
    ++line;
    if (merge.empty() || (line == 1 && merge.starts_with("#version"))) continue;
    const std::size_t space = merge.find(' ');
    const bool same = rank < spec.merges.size() && space != std::string_view::npos &&
                      merge.substr(0, space) == spec.merges[rank].first &&
                      merge.substr(space + 1) == spec.merges[rank].second;
    if (!same) return strf("it differs from tokenizer.json, which is used, from line %zu on", line);
    ++rank;
  }
  if (rank == spec.merges.size()) return {};
  return strf("it has %zu merges, tokenizer.json, which is used, has %zu", rank, spec.merges.size());
}

std::string template_text(const fs::path& path) {
  std::string text = read_input_text(path);
  if (first_bad_utf8(text) != std::string::npos)
    bad_text_file(strf("byte %zu of the chat template is not UTF-8", first_bad_utf8(text)), path);
  return text;
}

/// A template as Jinja reads it: line ends are alike, and one at the end does not count.
std::string plain_lines(std::string text) {
  std::size_t at = 0;
  while ((at = text.find("\r\n", at)) != std::string::npos) text.erase(at, 1);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

void compare_slow_files(const fs::path& folder, const TokenizerSpec& spec, Inventory& inventory) {
  using Difference = std::string (*)(const fs::path&, const TokenizerSpec&);
  constexpr std::array<std::pair<const char*, Difference>, 2> kSlow{
      {{"vocab.json", vocabulary_difference}, {"merges.txt", merges_difference}}};
  for (const auto& [name, difference] : kSlow) {
    if (fs::is_regular_file(folder / name)) add_difference(inventory, name, difference(folder / name, spec));
  }
}

ChosenTemplate chosen_template(const fs::path& folder, const TokenizerConfig& config, Inventory& inventory) {
  std::map<std::string, std::string> templates;
  std::string source = kTemplate;
  if (fs::exists(folder / kTemplate)) templates["default"] = template_text(folder / kTemplate);
  if (fs::is_directory(folder / kTemplates)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder / kTemplates)) {
      if (entry.path().extension() != ".jinja") continue;
      if (entry.path().stem() == "default") {
        source = std::string(kTemplates) + "/default.jinja";
        if (templates.contains("default"))
          add_difference(inventory, kTemplate, source + " goes before, as in transformers");
      }
      templates[entry.path().stem().string()] = template_text(entry.path());
    }
  }
  if (templates.empty()) {
    templates = config.templates;
    source = kConfig;
  } else if (!config.templates.empty()) {
    const bool same = std::all_of(config.templates.begin(), config.templates.end(), [&](const auto& own) {
      const auto found = templates.find(own.first);
      return found != templates.end() && plain_lines(found->second) == plain_lines(own.second);
    });
    inventory.add(same ? Fate::compared : Fate::left_out, "key of tokenizer_config.json", "chat_template",
                  same ? ""
                       : "it differs from " +
                             (templates.contains("default") ? source : std::string(kTemplates)) +
                             ", which goes before");
  }
  ChosenTemplate chosen{{}, folder.string()};
  for (const auto& [name, text] : templates) {
    if (name == "default") {
      chosen = {text, (folder / source).string() + (source == kConfig ? ", key \"chat_template\"" : "")};
      inventory.add(Fate::used, "chat template", source);
    } else {
      inventory.add(Fate::left_out, "chat template", name, "only the one named default is used");
    }
  }
  if (first_bad_utf8(chosen.jinja) != std::string::npos)
    bad_text_file(strf("byte %zu of the chat template is not UTF-8", first_bad_utf8(chosen.jinja)),
                  config.path);
  return chosen;
}

void tell_other_text_files(const fs::path& folder, Inventory& inventory) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const auto starts = [&](std::string_view stem) { return name.starts_with(stem); };
    const auto ends = [&](std::string_view ending) { return name.ends_with(ending); };
    if (!entry.is_regular_file() || is_one_of(name, kRead) ||
        std::none_of(kStems.begin(), kStems.end(), starts) ||
        std::none_of(kEndings.begin(), kEndings.end(), ends))
      continue;
    inventory.add(Fate::left_out, "file", name, "the tokenizer is read from tokenizer.json");
  }
}

}  // namespace anemll::text
