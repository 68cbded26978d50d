// tokenizer.json: every component is held against what the encoder does, and one that it does not do is
// refused by name. Nothing is skipped silently.
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/core/one_of.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <simdjson.h>

namespace anemll {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::int64_t kMostUnusedIds = 65536;

class Reader {
 public:
  Reader(dom::object root, const std::string& where) : root_(root), where_(where) {}
  TokenizerSpec read();

 private:
  [[noreturn]] void unsupported(const std::string& component) const {
    throw_data(
        "the tokenizer uses " + component + ", which is not supported", where_,
        "supported: byte-level BPE with the Qwen2, Qwen3 or GPT-2 split patterns, without or with NFC; use "
        "a model of these families");
  }
  [[noreturn]] void bad(const std::string& what) const {
    throw_data(what, where_,
               "the file is damaged or no tokenizer.json: get it again from where the model came");
  }

  /// The value of `key`; nullopt for an absent one and for null.
  static std::optional<dom::element> get(dom::object object, std::string_view key) {
    dom::element value;
    if (object[key].get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
    return value;
  }
  dom::object object_of(dom::element value, const std::string& name) const {
    dom::object out;
    if (value.get(out) != simdjson::SUCCESS) bad(name + " is not an object");
    return out;
  }
  dom::array array_of(dom::element value, const std::string& name) const {
    dom::array out;
    if (value.get(out) != simdjson::SUCCESS) bad(name + " is not a list");
    return out;
  }
  std::string_view text_of(dom::element value, const std::string& name) const {
    std::string_view out;
    if (value.get(out) != simdjson::SUCCESS) bad(name + " is not a string");
    return out;
  }
  bool flag(dom::object object, std::string_view key, bool absent) const {
    const auto value = get(object, key);
    bool out = absent;
    if (value && value->get(out) != simdjson::SUCCESS) bad(std::string(key) + " is not true or false");
    return out;
  }
  std::string type_of(dom::object object, const std::string& name) const {
    const auto type = get(object, "type");
    if (!type) bad(name + " has no type");
    return std::string(text_of(*type, name + ".type"));
  }
  std::int32_t id_of(dom::element value, std::string_view name) const {
    std::int64_t id = 0;
    if (value.get(id) != simdjson::SUCCESS || id < 0 || id > INT32_MAX - 1)
      bad(std::string(name) + " has no valid id");
    return static_cast<std::int32_t>(id);
  }

  bool is_nfc(dom::object normalizer) const;
  SplitPattern pre_tokenizer() const;
  std::optional<SplitPattern> split_pattern(dom::object step) const;
  /// Whether this ByteLevel step also splits.
  bool byte_level_splits(dom::object step) const;
  void post_processor(dom::object processor) const;
  void decoder() const;
  void model(TokenizerSpec& spec) const;
  void vocabulary(dom::object entries, std::vector<std::string>& out) const;
  void merges(dom::array entries, TokenizerSpec& spec) const;
  void added_tokens(TokenizerSpec& spec) const;
  /// Names the keys of `object` that are not among `known`.
  template <std::size_t N>
  static void note_unread(dom::object object, const std::string& prefix,
                          const std::array<std::string_view, N>& known, TokenizerSpec& spec) {
    for (const auto entry : object) {
      if (!entry.value.is_null() && !is_one_of(entry.key, known))
        spec.unread.push_back(prefix + std::string(entry.key));
    }
  }

  dom::object root_;
  std::string where_;
};

bool Reader::is_nfc(dom::object normalizer) const {
  const std::string type = type_of(normalizer, "normalizer");
  if (type == "NFC") return true;
  if (type != "Sequence") unsupported("the normalizer " + type);
  const auto steps = get(normalizer, "normalizers");
  if (!steps) bad("the normalizer Sequence has no normalizers");
  bool any = false;
  for (const dom::element step : array_of(*steps, "normalizers")) {
    const dom::object object = object_of(step, "a normalizer");
    const std::string name = type_of(object, "a normalizer");
    if (name != "NFC") unsupported("the normalizer " + name);
    any = true;
  }
  return any;
}

bool Reader::byte_level_splits(dom::object step) const {
  if (flag(step, "add_prefix_space", true)) unsupported("the pre-tokenizer ByteLevel with add_prefix_space");
  return flag(step, "use_regex", true);
}

std::optional<SplitPattern> Reader::split_pattern(dom::object step) const {
  const auto pattern = get(step, "pattern");
  if (!pattern) bad("the pre-tokenizer Split has no pattern");
  const dom::object kinds = object_of(*pattern, "the pattern of Split");
  const auto regex = get(kinds, "Regex");
  if (!regex) unsupported("the pre-tokenizer Split with a pattern that is no Regex");
  const std::string_view text = text_of(*regex, "the Regex of Split");
  const auto behavior = get(step, "behavior");
  const std::string_view how = behavior ? text_of(*behavior, "the behavior of Split") : "";
  if (how != "Isolated") unsupported("the pre-tokenizer Split with the behavior " + std::string(how));
  if (flag(step, "invert", false)) unsupported("the pre-tokenizer Split with invert");
  if (text == kQwen2) return SplitPattern::qwen2;
  if (text == kGpt2) return SplitPattern::gpt2;
  unsupported("the pre-tokenizer Split with the Regex " + std::string(text));
}

SplitPattern Reader::pre_tokenizer() const {
  const auto value = get(root_, "pre_tokenizer");
  if (!value) unsupported("no pre-tokenizer");
  const dom::object top = object_of(*value, "pre_tokenizer");
  std::vector<dom::object> steps;
  if (type_of(top, "pre_tokenizer") == "Sequence") {
    const auto list = get(top, "pretokenizers");
    if (!list) bad("the pre-tokenizer Sequence has no pretokenizers");
    for (const dom::element step : array_of(*list, "pretokenizers"))
      steps.push_back(object_of(step, "a pre-tokenizer"));
  } else {
    steps.push_back(top);
  }
  bool digits = false;
  bool byte_level = false;
  std::optional<SplitPattern> split;
  for (const dom::object step : steps) {
    const std::string type = type_of(step, "a pre-tokenizer");
    if (byte_level) unsupported("the pre-tokenizer " + type + " after ByteLevel");
    if (type == "Digits" && !split && !digits) {
      if (!flag(step, "individual_digits", false))
        unsupported("the pre-tokenizer Digits without individual_digits");
      digits = true;
    } else if (type == "Split" && !split && !digits) {
      split = split_pattern(step);
    } else if (type == "ByteLevel") {
      byte_level = true;
      if (byte_level_splits(step)) {
        if (split) unsupported("the pre-tokenizer Split before ByteLevel with use_regex");
        split = digits ? SplitPattern::gpt2_digits : SplitPattern::gpt2;
      }
    } else {
      unsupported("the pre-tokenizer " + type + (steps.size() > 1 ? " at its place in a Sequence" : ""));
    }
  }
  if (!byte_level) unsupported("no pre-tokenizer ByteLevel");
  if (!split) unsupported("the pre-tokenizer ByteLevel without a split pattern");
  return *split;
}

void Reader::post_processor(dom::object processor) const {
  const std::string type = type_of(processor, "post_processor");
  if (type == "ByteLevel") return;  // moves offsets only
  if (type != "TemplateProcessing") unsupported("the post-processor " + type);
  // A template of the text alone adds nothing.
  const auto single = get(processor, "single");
  if (!single) bad("the post-processor TemplateProcessing has no single");
  std::size_t parts = 0;
  for (const dom::element part : array_of(*single, "the template of TemplateProcessing")) {
    ++parts;
    if (!get(object_of(part, "a part of TemplateProcessing"), "Sequence")) parts = 2;
  }
  if (parts != 1) unsupported("the post-processor TemplateProcessing that adds tokens");
}

void Reader::decoder() const {
  const auto value = get(root_, "decoder");
  if (!value) unsupported("no decoder");
  const std::string type = type_of(object_of(*value, "decoder"), "decoder");
  if (type != "ByteLevel") unsupported("the decoder " + type);
}

void Reader::vocabulary(dom::object entries, std::vector<std::string>& out) const {
  std::size_t count = 0;
  std::int64_t top = -1;
  for (const auto entry : entries) {
    ++count;
    top = std::max(top, std::int64_t{id_of(entry.value, "a token")});
  }
  if (count == 0) bad("the vocabulary is empty");
  if (top >= static_cast<std::int64_t>(count) + kMostUnusedIds)
    bad(strf("the vocabulary has %zu tokens but an id of %lld", count, static_cast<long long>(top)));
  out.resize(static_cast<std::size_t>(top) + 1);
  for (const auto entry : entries) {
    const std::int32_t id = id_of(entry.value, "a token");
    std::string& place = out[static_cast<std::size_t>(id)];
    if (entry.key.empty()) bad(strf("the token with the id %d is empty", id));
    if (!place.empty())
      bad(strf("the tokens '%s' and '%s' have the same id %d", place.c_str(), std::string(entry.key).c_str(),
               id));
    place.assign(entry.key);
  }
}

void Reader::merges(dom::array entries, TokenizerSpec& spec) const {
  spec.merges.reserve(entries.size());
  for (const dom::element entry : entries) {
    const auto index = spec.merges.size();
    if (entry.is_array()) {
      dom::array pair;
      std::string_view left, right;
      if (entry.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
          pair.at(0).get(left) != simdjson::SUCCESS || pair.at(1).get(right) != simdjson::SUCCESS)
        bad(strf("merge %zu is not a pair of strings", index));
      spec.merges.emplace_back(left, right);
      continue;
    }
    std::string_view both;
    if (entry.get(both) != simdjson::SUCCESS) bad(strf("merge %zu is neither a string nor a pair", index));
    const std::size_t space = both.find(' ');
    if (space == std::string_view::npos || both.find(' ', space + 1) != std::string_view::npos)
      bad(strf("merge %zu is not two tokens with a space between", index));
    spec.merges.emplace_back(both.substr(0, space), both.substr(space + 1));
  }
}

void Reader::model(TokenizerSpec& spec) const {
  const auto value = get(root_, "model");
  if (!value) bad("it has no model");
  const dom::object model = object_of(*value, "model");
  const auto pairs = get(model, "merges");
  // Old files name no type; only BPE has merges.
  const std::string type = get(model, "type") || !pairs ? type_of(model, "model") : "BPE";
  if (type != "BPE") unsupported("the model " + type);
  if (flag(model, "byte_fallback", false)) unsupported("the model BPE with byte_fallback");
  if (get(model, "unk_token")) unsupported("the model BPE with unk_token");
  double dropout = 0;
  if (const auto given = get(model, "dropout"); given && given->get(dropout) != simdjson::SUCCESS)
    bad("dropout is not a number");
  if (dropout != 0) unsupported("the model BPE with dropout");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const auto given = get(model, affix);
    if (given && !text_of(*given, affix).empty()) unsupported("the model BPE with " + std::string(affix));
  }
  // Without unk_token there is nothing to fuse.
  constexpr std::array<std::string_view, 10> kKnown{"type",
                                                    "dropout",
                                                    "unk_token",
                                                    "continuing_subword_prefix",
                                                    "end_of_word_suffix",
                                                    "fuse_unk",
                                                    "byte_fallback",
                                                    "ignore_merges",
                                                    "vocab",
                                                    "merges"};
  note_unread(model, "model.", kKnown, spec);
  spec.ignore_merges = flag(model, "ignore_merges", false);
  const auto entries = get(model, "vocab");
  if (!entries || !pairs) bad("the model lacks vocab or merges");
  vocabulary(object_of(*entries, "vocab"), spec.vocabulary);
  merges(array_of(*pairs, "merges"), spec);
}

void Reader::added_tokens(TokenizerSpec& spec) const {
  const auto list = get(root_, "added_tokens");
  if (!list) return;
  std::int64_t used = 0;
  for (const std::string& token : spec.vocabulary) used += token.empty() ? 0 : 1;
  // The Python library numbers tokens that the vocabulary lacks on from its end, whatever the file says.
  std::int64_t expected = used;
  for (const dom::element entry : array_of(*list, "added_tokens")) {
    const dom::object object = object_of(entry, "an added token");
    const auto content = get(object, "content");
    const auto id = get(object, "id");
    if (!content || !id) bad("an added token lacks content or id");
    AddedToken token;
    token.content = text_of(*content, "the content of an added token");
    constexpr std::array<std::string_view, 7> kKnown{"id",     "content",    "single_word", "lstrip",
                                                     "rstrip", "normalized", "special"};
    note_unread(object, "added_tokens." + token.content + ".", kKnown, spec);
    const std::string name = "the added token '" + token.content + "'";
    token.id = id_of(*id, name);
    token.special = flag(object, "special", false);
    token.normalized = flag(object, "normalized", !token.special);
    for (const char* rule : {"single_word", "lstrip", "rstrip"}) {
      if (flag(object, rule, false)) unsupported(name + " with " + rule);
    }
    const auto place = static_cast<std::size_t>(token.id);
    const bool in_vocabulary = place < spec.vocabulary.size() && spec.vocabulary[place] == token.content;
    if (!in_vocabulary && token.id != expected)
      bad(strf("%s has the id %d where %lld is next", name.c_str(), token.id,
               static_cast<long long>(expected)));
    expected = std::max(expected, std::int64_t{token.id} + 1);
    spec.added.push_back(std::move(token));
  }
}

TokenizerSpec Reader::read() {
  if (const auto version = get(root_, "version"); version && text_of(*version, "version") != "1.0")
    unsupported("the format version " + std::string(text_of(*version, "version")));
  for (const char* name : {"truncation", "padding"}) {
    if (get(root_, name)) unsupported(name);
  }
  TokenizerSpec spec;
  constexpr std::array<std::string_view, 9> kKnown{"version",        "truncation", "padding",
                                                   "added_tokens",   "normalizer", "pre_tokenizer",
                                                   "post_processor", "decoder",    "model"};
  note_unread(root_, "", kKnown, spec);
  if (const auto value = get(root_, "normalizer")) spec.nfc = is_nfc(object_of(*value, "normalizer"));
  spec.split = pre_tokenizer();
  if (const auto value = get(root_, "post_processor")) post_processor(object_of(*value, "post_processor"));
  decoder();
  model(spec);
  added_tokens(spec);
  return spec;
}

}  // namespace

TokenizerSpec parse_tokenizer_json(std::string_view json, const std::string& where) {
  dom::parser parser;
  dom::element root;
  const simdjson::error_code code = parser.parse(json.data(), json.size()).get(root);
  if (code != simdjson::SUCCESS)
    throw_data(std::string("not valid JSON: ") + simdjson::error_message(code), where,
               "the file is damaged or incomplete: get it again from where the model came");
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS)
    throw_data("not a JSON object", where, "give the tokenizer.json of a model");
  return Reader(object, where).read();
}

}  // namespace anemll
