#include "src/datasets/internal/json_record.hpp"

#include "anemll/core/error.hpp"
#include "src/datasets/internal/text_window.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include <simdjson.h>

namespace anemll::datasets {
namespace {

namespace od = simdjson::ondemand;
static_assert(TextWindow::kPadding >= simdjson::SIMDJSON_PADDING);

/// The value of four hexadecimal digits, or nothing.
std::optional<unsigned> hex4(const char* at) {
  unsigned value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = at[i];
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<unsigned>(c - 'A') + 10;
    } else {
      return std::nullopt;
    }
    value = value * 16 + digit;
  }
  return value;
}

/// Half an emoji, cut by somebody's length limit, is common in scraped text and no reason to lose a run.
void replace_lone_surrogates(char* text, std::size_t size) {
  const auto code_at = [&](std::size_t i) -> std::optional<unsigned> {
    if (i + 6 > size || text[i] != '\\' || text[i + 1] != 'u') return std::nullopt;
    return hex4(text + i + 2);
  };
  std::size_t i = 0;
  while (i < size) {
    const void* hit = std::memchr(text + i, '\\', size - i);
    if (hit == nullptr) return;
    i = static_cast<std::size_t>(static_cast<const char*>(hit) - text);
    const std::optional<unsigned> code = code_at(i);
    if (!code) {
      i += 2;  // any other escape is two bytes, as far as finding the next one goes
      continue;
    }
    if (*code >= 0xd800 && *code < 0xdc00) {
      const std::optional<unsigned> low = code_at(i + 6);
      if (low && *low >= 0xdc00 && *low < 0xe000) {
        i += 12;
        continue;
      }
    }
    if (*code >= 0xd800 && *code < 0xe000) std::memcpy(text + i + 2, "fffd", 4);
    i += 6;
  }
}

/// The reading of one record; every failing call ends it.
class Reader {
 public:
  explicit Reader(const std::string& where) : where_(where) {}

  void object(od::document& document, const Names& wanted, Record& record) const {
    od::object fields;
    check(document.get_object().get(fields));
    for (auto entry : fields) {
      od::field field;
      check(std::move(entry).get(field));
      std::string_view key;
      check(field.unescaped_key().get(key));
      record.names.emplace_back(key);
      const auto at = std::find(wanted.begin(), wanted.end(), key);
      // Of a key that comes twice the last one holds, as in Python.
      if (at != wanted.end()) {
        record.fields[static_cast<std::size_t>(at - wanted.begin())] = value(field.value(), 0);
      } else if (!is_nothing(field.value())) {
        record.unread.push_back(record.names.back());
      }
    }
    end(document);
  }
  Value whole(od::document& document) const {
    od::value all;
    check(document.get_value().get(all));
    Value out = value(all, 0);
    end(document);
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw_bad_record(what, where_, "correct the record, or take it out of the file");
  }
  void check(simdjson::error_code error) const {
    if (error == simdjson::UTF8_ERROR) throw_bad_record("the text is not UTF-8", where_, kEncodingHint);
    if (error != simdjson::SUCCESS) fail(std::string("not good JSON: ") + simdjson::error_message(error));
  }
  void end(od::document& document) const {
    // Out of bounds is how the library says that nothing is left.
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS)
      fail("there is more on the line than one object");
  }

  /// Of a value that is passed over.
  static bool is_nothing(od::value value) {
    const std::string_view text = value.raw_json_token();
    return text.starts_with("null") || text.starts_with("\"\"");
  }

  Value value(od::value value, int depth) const {
    od::json_type type{};
    check(value.type().get(type));
    switch (type) {
      case od::json_type::string: {
        std::string_view text;
        check(value.get_string().get(text));
        return Value::of_text(std::string(text));
      }
      case od::json_type::null: {
        // A literal is only looked at by its first letter, so the null is read to be sure of it.
        bool yes = false;
        check(value.is_null().get(yes));
        if (!yes) fail("not good JSON: a value is neither null nor anything else");
        return Value::of_type(Value::Kind::null, {});
      }
      case od::json_type::boolean: {
        bool yes = false;
        check(value.get_bool().get(yes));
        Value out = Value::of_type(Value::Kind::literal, {});
        out.text = yes ? "true" : "false";
        return out;
      }
      case od::json_type::number: {
        // As it is spelled: no machine type need hold it.
        Value out = Value::of_type(Value::Kind::literal, {});
        const std::string_view token = value.raw_json_token();
        out.text = token.substr(0, token.find_first_not_of("+-.0123456789eE"));
        return out;
      }
      case od::json_type::array:
        return depth == Value::kMaxDepth ? Value::of_type(Value::Kind::other, "a list") : list(value, depth);
      case od::json_type::object:
        return depth == Value::kMaxDepth ? Value::of_type(Value::Kind::other, "an object")
                                         : object(value, depth);
    }
    fail("not good JSON: a value of no known type");
  }

  Value list(od::value& value, int depth) const {
    Value out = Value::of_type(Value::Kind::list, {});
    od::array items;
    check(value.get_array().get(items));
    for (auto entry : items) {
      od::value item;
      check(std::move(entry).get(item));
      out.items.push_back(this->value(item, depth + 1));
    }
    return out;
  }

  Value object(od::value& value, int depth) const {
    Value out = Value::of_type(Value::Kind::object, {});
    od::object fields;
    check(value.get_object().get(fields));
    for (auto entry : fields) {
      od::field field;
      check(std::move(entry).get(field));
      std::string_view key;
      check(field.unescaped_key().get(key));
      out.keys.emplace_back(key);
      out.items.push_back(this->value(field.value(), depth + 1));
    }
    return out;
  }

  const std::string& where_;
};

od::document iterate(od::parser& parser, char* text, std::size_t size, const std::string& where) {
  od::document document;
  const auto error = parser.iterate(text, size, size + TextWindow::kPadding).get(document);
  if (error != simdjson::SUCCESS) {
    throw_bad_record(
        error == simdjson::UTF8_ERROR ? "not good JSON: the text is not UTF-8"
                                      : std::string("not good JSON: ") + simdjson::error_message(error),
        where,
        error == simdjson::UTF8_ERROR ? kEncodingHint : "correct the record, or take it out of the file");
  }
  return document;
}

}  // namespace

struct JsonRecordParser::Impl {
  Names wanted;
  od::parser parser;
};

JsonRecordParser::JsonRecordParser(const FieldList& wanted) : impl_(std::make_unique<Impl>()) {
  impl_->wanted = wanted.all();
}
JsonRecordParser::~JsonRecordParser() = default;

void JsonRecordParser::parse(char* text, std::size_t size, const std::string& where, Record& record) {
  record.clear(impl_->wanted.size());
  replace_lone_surrogates(text, size);
  od::document document = iterate(impl_->parser, text, size, where);
  Reader(where).object(document, impl_->wanted, record);
}

Value parse_json(std::string_view text) {
  const std::string where;
  std::string padded(text);
  padded.resize(text.size() + TextWindow::kPadding);
  replace_lone_surrogates(padded.data(), text.size());
  try {
    od::parser parser;
    od::document document = iterate(parser, padded.data(), text.size(), where);
    od::json_type type{};
    const bool nested = document.type().get(type) == simdjson::SUCCESS &&
                        (type == od::json_type::array || type == od::json_type::object);
    return nested ? Reader(where).whole(document) : Value{};
  } catch (const BadRecord&) {
    return {};
  }
}

}  // namespace anemll::datasets
