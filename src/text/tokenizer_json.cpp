// tokenizer.json: every component is held against what the encoder does, and one that it does not do is
// refused by name. Nothing is skipped silently.
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/core/one_of.hpp"
#include "src/text/internal/byte_alphabet.hpp"
#include "src/text/internal/json_fields.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace anemll {
namespace {

namespace dom = simdjson::dom;
using text::JsonFields;

constexpr std::int64_t kMostUnusedIds = 65536;

bool has_every_byte(const std::vector<std::string>& vocabulary) {
  const std::unordered_set<std::string_view> tokens(vocabulary.begin(), vocabulary.end());
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (!tokens.contains(text::spell_byte(static_cast<unsigned char>(byte)))) return false;
  }
  return true;
}

class Reader : private JsonFields {
 public:
  Reader(dom::object root, const std::string& where) : JsonFields(where), root_(root) {}
  TokenizerSpec read();

 private:
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
};

void Reader::vocabulary(dom::object entries, std::vector<std::string>& out) const {
  std::size_t count = 0;
  std::int64_t top = -1;
  for (const auto entry : entries) {
    ++count;
    top = std::max(top, std::int64_t{id_of(entry.value, "a token")});
  }
  if (count == 0) bad("vocab is empty: {}");
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
        bad(strf("merge %zu is not a pair of strings", index), entry);
      spec.merges.emplace_back(left, right);
      continue;
    }
    std::string_view both;
    if (entry.get(both) != simdjson::SUCCESS)
      bad(strf("merge %zu is neither a string nor a pair", index), entry);
    const std::size_t space = both.find(' ');
    if (space == std::string_view::npos || both.find(' ', space + 1) != std::string_view::npos)
      bad(strf("merge %zu is not two tokens with a space between", index), entry);
    spec.merges.emplace_back(both.substr(0, space), both.substr(space + 1));
  }
}

void Reader::model(TokenizerSpec& spec) const {
  const auto value = get(root_, "model");
  if (!value) bad("the file has no 'model'");
  const dom::object model = object_of(*value, "model");
  const auto pairs = get(model, "merges");
  // Old files name no type; only BPE has merges.
  const std::string type = get(model, "type") || !pairs ? type_of(model, "model") : "BPE";
  if (type == "Unigram") sentencepiece("the model Unigram");
  if (type != "BPE") unsupported("the model " + type);
  double dropout = 0;
  if (const auto given = get(model, "dropout"); given && given->get(dropout) != simdjson::SUCCESS)
    bad("dropout is not a number", *given);
  if (dropout != 0) unsupported(strf("the model BPE with dropout %g", dropout));
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const auto given = get(model, affix);
    if (given && !text_of(*given, affix).empty())
      unsupported(strf("the model BPE with %s '%s'", affix, std::string(text_of(*given, affix)).c_str()));
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
  // Both are for characters without a token; where every byte has one there are none.
  const bool fallback = flag(model, "byte_fallback", false);
  if ((fallback || get(model, "unk_token")) && !has_every_byte(spec.vocabulary))
    unsupported(std::string("the model BPE with ") + (fallback ? "byte_fallback" : "unk_token") +
                " and without a token for every byte");
  merges(array_of(*pairs, "merges"), spec);
}

void Reader::added_tokens(TokenizerSpec& spec) const {
  const auto list = get(root_, "added_tokens");
  if (!list) return;
  std::int64_t used = 0;
  for (const std::string& token : spec.vocabulary) used += token.empty() ? 0 : 1;
  // The Python library numbers tokens that the vocabulary lacks on from its end, whatever the file says.
  std::int64_t expected = used;
  std::unordered_map<std::string, std::size_t> seen;
  for (const dom::element entry : array_of(*list, "added_tokens")) {
    const dom::object object = object_of(entry, "an added token");
    const auto content = get(object, "content");
    const auto id = get(object, "id");
    if (!content || !id) bad("an added token lacks content or id", entry);
    AddedToken token;
    token.content = text_of(*content, "the content of an added token");
    constexpr std::array<std::string_view, 7> kKnown{"id",     "content",    "single_word", "lstrip",
                                                     "rstrip", "normalized", "special"};
    note_unread(object, "added_tokens." + token.content + ".", kKnown, spec);
    const std::string name = "the added token '" + token.content + "'";
    token.id = id_of(*id, name);
    token.special = flag(object, "special", false);
    token.normalized = flag(object, "normalized", !token.special);
    token.single_word = flag(object, "single_word", false);
    token.lstrip = flag(object, "lstrip", false);
    token.rstrip = flag(object, "rstrip", false);
    if (const auto [first, is_new] = seen.emplace(token.content, spec.added.size()); !is_new) {
      AddedToken& same = spec.added[first->second];
      if (same.id != token.id) bad(strf("%s has the ids %d and %d", name.c_str(), same.id, token.id));
      // The later flags hold, but a special token stays one, as in the Python library.
      token.special = token.special || same.special;
      same = std::move(token);
      continue;
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
  TokenizerSpec spec;
  constexpr std::array<std::string_view, 9> kKnown{"version",        "truncation", "padding",
                                                   "added_tokens",   "normalizer", "pre_tokenizer",
                                                   "post_processor", "decoder",    "model"};
  note_unread(root_, "", kKnown, spec);
  for (const char* name : {"truncation", "padding"}) {
    if (get(root_, name)) spec.of_batches.emplace_back(name);
  }
  text::read_pipeline(*this, root_, spec);
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
               "the file is damaged or incomplete; " + fetch_advice(where));
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS)
    throw_data("not a JSON object, but " + simdjson::minify(root).substr(0, 60), where,
               "it is no tokenizer.json; " + fetch_advice(where));
  return Reader(object, where).read();
}

}  // namespace anemll
