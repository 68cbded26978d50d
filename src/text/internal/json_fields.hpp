// Fields of a tokenizer.json with their types checked; every fault names the file. One thread per object.
#pragma once

#include "anemll/core/error.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/core/content_kind.hpp"
#include "src/text/internal/other_tokenizers.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <simdjson.h>

namespace anemll::text {

namespace dom = simdjson::dom;

class JsonFields {
 public:
  explicit JsonFields(std::string where) : where_(std::move(where)) {}

  [[noreturn]] void unsupported(const std::string& component) const {
    throw_data("the tokenizer uses " + component + ", which is not supported", where_, kByteLevelModel);
  }
  /// Of what only tokenizers made of SentencePiece have.
  [[noreturn]] void sentencepiece(const std::string& component) const {
    throw_data("SentencePiece tokenizers are not read, and this one is of that kind: it uses " + component,
               where_, kByteLevelModel);
  }
  [[noreturn]] void bad(const std::string& what) const {
    throw_data(what, where_, "the file is damaged or no tokenizer.json; " + fetch_advice(where_));
  }
  /// The same of a field with its value.
  [[noreturn]] void bad(const std::string& what, dom::element value) const {
    constexpr std::size_t kShown = 60;
    bad(what + ": " + simdjson::minify(value).substr(0, kShown));
  }

  /// The value of `key`; nullopt for an absent one and for null.
  static std::optional<dom::element> get(dom::object object, std::string_view key) {
    dom::element value;
    if (object[key].get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
    return value;
  }
  dom::object object_of(dom::element value, const std::string& name) const {
    dom::object out;
    if (value.get(out) != simdjson::SUCCESS) bad(name + " is not an object", value);
    return out;
  }
  dom::array array_of(dom::element value, const std::string& name) const {
    dom::array out;
    if (value.get(out) != simdjson::SUCCESS) bad(name + " is not a list", value);
    return out;
  }
  std::string_view text_of(dom::element value, const std::string& name) const {
    std::string_view out;
    if (value.get(out) != simdjson::SUCCESS) bad(name + " is not a string", value);
    return out;
  }
  bool flag(dom::object object, std::string_view key, bool absent) const {
    const auto value = get(object, key);
    bool out = absent;
    if (value && value->get(out) != simdjson::SUCCESS)
      bad(std::string(key) + " is not true or false", *value);
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
      bad(std::string(name) + " has no valid id", value);
    return static_cast<std::int32_t>(id);
  }
  /// The list `key` of a Sequence called `name`.
  dom::array steps_of(dom::object sequence, const char* key, const std::string& name) const {
    const auto list = get(sequence, key);
    if (!list) bad(name + " has no " + key);
    return array_of(*list, key);
  }

 private:
  std::string where_;
};

/// What surrounds the model of a tokenizer.json: normalizer, pre-tokenizer, post-processor, decoder.
void read_pipeline(const JsonFields& fields, dom::object root, TokenizerSpec& spec);

}  // namespace anemll::text
