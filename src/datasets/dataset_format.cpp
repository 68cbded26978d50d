#include "src/datasets/dataset_format.hpp"

#include "anemll/core/error.hpp"
#include "src/datasets/white_space.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace anemll {
namespace datasets {
namespace {

using Names = std::vector<std::string>;

bool has(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string join(const Names& names) {
  constexpr std::size_t kShown = 20;
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) out += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kShown ? out + ", ..." : out;
}

std::string describe(const Field& field) {
  switch (field.kind) {
    case Field::Kind::missing:
      return "not there";
    case Field::Kind::null:
      return "null";
    case Field::Kind::text:
      return "a string";
    case Field::Kind::turns:
      return "a list";
    case Field::Kind::other:
      break;
  }
  return field.type;
}

[[noreturn]] void wrong_type(const std::string& name, const Field& field, const std::string& expected,
                             const std::string& where) {
  throw_data("'" + name + "' is " + describe(field) + ", not " + expected, where,
             "correct the record, or choose the --dataset_format that the file has");
}

/// Absent and null are "".
std::string text_of(Field& field, const std::string& name, const std::string& where) {
  if (field.kind == Field::Kind::text) return std::move(field.text);
  if (field.kind != Field::Kind::missing && field.kind != Field::Kind::null)
    wrong_type(name, field, "a string", where);
  return {};
}

/// Absent and null are no turns.
std::vector<Turn> turns_of(Field& field, const std::string& name, const std::string& where) {
  if (field.kind == Field::Kind::turns) return std::move(field.turns);
  if (field.kind != Field::Kind::missing && field.kind != Field::Kind::null)
    wrong_type(name, field, "a list of turns", where);
  return {};
}

ChatMessage message(std::string role, std::string content) {
  return {std::move(role), std::move(content), {}};
}

class Plain final : public DatasetFormat {
 public:
  explicit Plain(std::string field) : field_(std::move(field)) {}
  FieldList fields() const override { return {field_}; }
  bool plain() const override { return true; }
  bool fits(const Names& names) const override { return has(names, field_); }
  std::optional<Document> document(Record& record, const std::string&) const override {
    Field& field = record.fields.front();
    const std::string_view text = python_strip(field.text);
    if (field.kind != Field::Kind::text || text.empty()) return std::nullopt;
    Document out;
    out.text = text;
    return out;
  }
  std::string why_skipped(const Record& record) const override {
    const Field& field = record.fields.front();
    return "'" + field_ + "' is " + (field.kind == Field::Kind::text ? "blank" : describe(field));
  }

 private:
  std::string field_;
};

class Alpaca final : public DatasetFormat {
 public:
  FieldList fields() const override { return {"instruction", "input", "output"}; }
  bool fits(const Names& names) const override { return has(names, "instruction") && has(names, "output"); }
  std::optional<Document> document(Record& record, const std::string& where) const override {
    const std::string instruction = text_of(record.fields[0], "instruction", where);
    const std::string input = text_of(record.fields[1], "input", where);
    const std::string output = text_of(record.fields[2], "output", where);
    std::string user(python_strip(instruction));
    if (const std::string_view more = python_strip(input); !more.empty()) user.append("\n\n").append(more);
    Document out;
    out.messages = {message("user", std::move(user)),
                    message("assistant", std::string(python_strip(output)))};
    return out;
  }
};

class Dolly final : public DatasetFormat {
 public:
  FieldList fields() const override { return {"instruction", "context", "response"}; }
  bool fits(const Names& names) const override { return has(names, "instruction") && has(names, "response"); }
  std::optional<Document> document(Record& record, const std::string& where) const override {
    std::string user = text_of(record.fields[0], "instruction", where);
    const std::string context = text_of(record.fields[1], "context", where);
    if (!context.empty()) user += "\n\nContext:\n" + context;
    Document out;
    out.messages = {message("user", std::move(user)),
                    message("assistant", text_of(record.fields[2], "response", where))};
    return out;
  }
};

std::optional<Document> conversation(std::vector<ChatMessage> messages) {
  if (messages.size() < 2) return std::nullopt;
  Document out;
  out.messages = std::move(messages);
  return out;
}

class OpenHermes final : public DatasetFormat {
 public:
  FieldList fields() const override { return {"conversations"}; }
  bool fits(const Names& names) const override { return has(names, "conversations"); }
  std::optional<Document> document(Record& record, const std::string& where) const override {
    std::vector<ChatMessage> messages;
    for (Turn& turn : turns_of(record.fields[0], "conversations", where)) {
      if (turn.value.empty()) continue;
      const char* role = turn.from == "gpt" ? "assistant" : turn.from == "system" ? "system" : "user";
      messages.push_back(message(role, std::move(turn.value)));
    }
    return conversation(std::move(messages));
  }
};

class ShareGpt final : public DatasetFormat {
 public:
  FieldList fields() const override { return {"conversations", "messages", "dialog"}; }
  bool fits(const Names& names) const override {
    return has(names, "conversations") || has(names, "messages") || has(names, "dialog");
  }
  std::optional<Document> document(Record& record, const std::string& where) const override {
    const FieldList names = fields();
    std::vector<Turn> turns;
    for (std::size_t i = 0; i < names.size() && turns.empty(); ++i)
      turns = turns_of(record.fields[i], names[i], where);
    std::vector<ChatMessage> messages;
    for (Turn& turn : turns) {
      std::string role = turn.from.empty() ? turn.role : turn.from;
      for (char& c : role) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      const bool assistant = role == "gpt" || role == "assistant" || role == "bot";
      messages.push_back(message(assistant          ? "assistant"
                                 : role == "system" ? "system"
                                                    : "user",
                                 std::move(turn.value.empty() ? turn.content : turn.value)));
    }
    return conversation(std::move(messages));
  }
};

std::unique_ptr<DatasetFormat> by_name(const std::string& name, const std::string& text_field) {
  if (name == "plain") return std::make_unique<Plain>(text_field);
  if (name == "alpaca" || name == "alpaca_chat") return std::make_unique<Alpaca>();
  if (name == "dolly") return std::make_unique<Dolly>();
  if (name == "openhermes") return std::make_unique<OpenHermes>();
  if (name == "sharegpt") return std::make_unique<ShareGpt>();
  return nullptr;
}

}  // namespace

std::unique_ptr<DatasetFormat> make_format(const DatasetOptions& options) {
  std::unique_ptr<DatasetFormat> format = by_name(options.format, options.text_field);
  if (!format)
    throw_usage("there is no dataset format '" + options.format + "'", "--dataset_format",
                "choose one of " + join(dataset_formats()));
  return format;
}

void require_fit(const DatasetFormat& format, const DatasetOptions& options, const Names& names,
                 const std::string& where) {
  if (format.fits(names)) return;
  Names fitting;
  for (const std::string& other : dataset_formats())
    if (other != "alpaca_chat" && by_name(other, options.text_field)->fits(names)) fitting.push_back(other);
  std::string hint;
  if (!fitting.empty()) {
    hint = "--dataset_format " + join(fitting) + (fitting.size() > 1 ? " (one of them)" : "") + " would fit";
  } else if (format.plain()) {
    hint = "name the field that holds the text with --dataset_text_field";
  } else {
    hint =
        "--dataset_format plain with --dataset_text_field reads one field as text; other shapes must be "
        "converted";
  }
  throw_data("the first record has no " + std::string(format.fields().size() > 1 ? "fields" : "field") +
                 " of format " + options.format + " (" + join(format.fields()) + "); it has " +
                 (names.empty() ? "none" : join(names)),
             where, hint);
}

}  // namespace datasets

const std::vector<std::string>& dataset_formats() {
  static const std::vector<std::string> kNames = {"plain",      "alpaca",   "alpaca_chat",
                                                  "openhermes", "sharegpt", "dolly"};
  return kNames;
}

}  // namespace anemll
