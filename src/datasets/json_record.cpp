#include "src/datasets/json_record.hpp"

#include "anemll/core/error.hpp"
#include "src/datasets/text_window.hpp"

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

const char* type_name(od::json_type type) {
  switch (type) {
    case od::json_type::array:
      return "a list";
    case od::json_type::object:
      return "an object";
    case od::json_type::number:
      return "a number";
    case od::json_type::string:
      return "a string";
    case od::json_type::boolean:
      return "a truth value";
    case od::json_type::null:
      return "null";
  }
  return "an unknown value";
}

/// The reading of one record; every failing call ends it.
class Reader {
 public:
  Reader(const std::string& where, const FieldList& wanted) : where_(where), wanted_(wanted) {}

  void object(od::document& document, Record& record) {
    od::object fields;
    check(document.get_object().get(fields));
    for (auto entry : fields) {
      od::field field;
      check(std::move(entry).get(field));
      std::string_view key;
      check(field.unescaped_key().get(key));
      record.names.emplace_back(key);
      const auto at = std::find(wanted_.begin(), wanted_.end(), key);
      // Of a key that comes twice the last one holds, as in Python.
      if (at != wanted_.end())
        record.fields[static_cast<std::size_t>(at - wanted_.begin())] = value(field.value(), *at);
    }
    // Out of bounds is how the library says that nothing is left.
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS)
      fail("there is more on the line than one object");
  }

 private:
  static std::string hint() { return "correct the record, or take it out of the file"; }
  [[noreturn]] void fail(const std::string& what) const { throw_data(what, where_, hint()); }
  void check(simdjson::error_code error) const {
    if (error != simdjson::SUCCESS) fail(describe(error));
  }
  static std::string describe(simdjson::error_code error) {
    if (error == simdjson::UTF8_ERROR) return "the text is not UTF-8";
    return std::string("not good JSON: ") + simdjson::error_message(error);
  }

  /// A literal is only looked at by its first letter, so the null is read to be sure of it.
  void null(od::value& value) const {
    bool yes = false;
    check(value.is_null().get(yes));
    if (!yes) fail("not good JSON: a value is neither null nor anything else");
  }
  std::string text(od::value& value) const {
    std::string_view out;
    check(value.get_string().get(out));
    return std::string(out);
  }

  Field value(od::value value, const std::string& name) const {
    Field out;
    od::json_type type{};
    check(value.type().get(type));
    switch (type) {
      case od::json_type::string:
        out.kind = Field::Kind::text;
        out.text = text(value);
        break;
      case od::json_type::null:
        null(value);
        out.kind = Field::Kind::null;
        break;
      case od::json_type::array:
        turns(value, name, out);
        break;
      default:
        out.kind = Field::Kind::other;
        out.type = type_name(type);
    }
    return out;
  }

  void turns(od::value& value, const std::string& name, Field& out) const {
    out.kind = Field::Kind::turns;
    od::array items;
    check(value.get_array().get(items));
    for (auto entry : items) {
      od::value item;
      check(std::move(entry).get(item));
      od::json_type type{};
      check(item.type().get(type));
      if (type != od::json_type::object) {
        out.kind = Field::Kind::other;
        out.type = std::string("a list with ") + type_name(type) + " in it";
        continue;
      }
      od::object fields;
      check(item.get_object().get(fields));
      out.turns.push_back(turn(fields, name, out.turns.size() + 1));
    }
  }

  Turn turn(od::object& fields, const std::string& name, std::size_t number) const {
    Turn out;
    for (auto entry : fields) {
      od::field field;
      check(std::move(entry).get(field));
      std::string_view key;
      check(field.unescaped_key().get(key));
      std::string* to = key == "from"      ? &out.from
                        : key == "role"    ? &out.role
                        : key == "value"   ? &out.value
                        : key == "content" ? &out.content
                                           : nullptr;
      if (to == nullptr) continue;
      od::value content = field.value();
      od::json_type type{};
      check(content.type().get(type));
      if (type == od::json_type::null) {
        null(content);
        to->clear();
      } else if (type == od::json_type::string) {
        *to = text(content);
      } else {
        fail("'" + std::string(key) + "' of turn " + std::to_string(number) + " of '" + name + "' is " +
             type_name(type) + ", not a string");
      }
    }
    return out;
  }

  const std::string& where_;
  const FieldList& wanted_;
};

}  // namespace

struct JsonRecordParser::Impl {
  FieldList wanted;
  od::parser parser;
};

JsonRecordParser::JsonRecordParser(FieldList wanted) : impl_(std::make_unique<Impl>()) {
  impl_->wanted = std::move(wanted);
}
JsonRecordParser::~JsonRecordParser() = default;

void JsonRecordParser::parse(char* text, std::size_t size, const std::string& where, Record& record) {
  record.fields.assign(impl_->wanted.size(), Field{});
  record.names.clear();
  replace_lone_surrogates(text, size);
  od::document document;
  const auto error = impl_->parser.iterate(text, size, size + TextWindow::kPadding).get(document);
  if (error != simdjson::SUCCESS) {
    const char* problem =
        error == simdjson::UTF8_ERROR ? "the text is not UTF-8" : simdjson::error_message(error);
    throw_data(std::string("not good JSON: ") + problem, where,
               "correct the record, or take it out of the file");
  }
  Reader(where, impl_->wanted).object(document, record);
}

}  // namespace anemll::datasets
