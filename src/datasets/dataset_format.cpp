#include "src/datasets/internal/dataset_format.hpp"

#include "anemll/core/error.hpp"
#include "src/core/one_of.hpp"
#include "src/datasets/internal/conversation.hpp"
#include "src/datasets/internal/white_space.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace anemll {
namespace datasets {
namespace {

std::string join(const Names& names) {
  constexpr std::size_t kShown = 20;
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) out += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kShown ? out + ", ..." : out;
}

[[noreturn]] void wrong_type(const std::string& name, const Value& field, const std::string& expected,
                             const std::string& where) {
  throw_bad_record("'" + name + "' is " + field.describe() + ", not " + expected, where,
                   "correct the record, or choose the --dataset_format that the file has");
}

bool is_blank(std::string_view text) {
  return python_strip(text).empty();
}

ChatMessage message(std::string role, std::string content) {
  return {std::move(role), std::move(content)};
}

/// What all formats of conversations share: columns beside the turns, and the last look at a document.
class Conversation : public DatasetFormat {
 public:
  explicit Conversation(bool reference) : reference_(reference) {}

 protected:
  /// Absent and null are "".
  static std::string text(Record& record, std::size_t i, const std::string& name, const std::string& where,
                          Inventory* used = nullptr) {
    Value& field = record.fields[i];
    if (used != nullptr && !field.empty()) used->add(Fate::used, "column", name);
    if (field.kind == Value::Kind::text) return std::move(field.text);
    if (!field.absent()) wrong_type(name, field, "a string", where);
    return {};
  }

  /// The names of columns that the reference's script does not know.
  Names more(Names names) const { return reference_ ? Names{} : std::move(names); }

  /// The text of a column goes before all turns as the system's, unless they begin with one.
  static void add_system(const std::string& system, const std::string& column,
                         std::vector<ChatMessage>& messages, Inventory& inventory) {
    if (is_blank(system)) return;
    const bool free = messages.empty() || messages.front().role != "system";
    if (free || python_strip(messages.front().content) == python_strip(system))
      inventory.add(Fate::used, "column", column);
    if (free) {
      messages.insert(messages.begin(), message("system", std::string(python_strip(system))));
    } else if (python_strip(messages.front().content) != python_strip(system)) {
      inventory.add(Fate::left_out, "column", column, "the conversation has a system turn of its own");
    }
  }

  static void add_tools(const Value& column, const std::string& name, const std::string& where,
                        Document& document, Inventory& inventory) {
    document.tools = tools_of(column, name, where);
    const auto& messages = document.messages;
    const bool written = !messages.empty() && messages.front().role == "system" &&
                         messages.front().content.find("<tools>") != std::string::npos;
    if (document.tools.empty()) return;
    if (!written) return inventory.add(Fate::used, "column", name);
    document.tools.clear();
    inventory.add(Fate::left_out, "column", name, "the system turn describes the tools already");
  }

  /// Of a record whose fields hold no text at all there is nothing to learn.
  std::optional<Document> checked(Document document, std::size_t least, Inventory& inventory) const {
    const bool nothing =
        std::all_of(document.messages.begin(), document.messages.end(), [](const ChatMessage& one) {
          return one.content.empty() && one.reasoning_content.empty() && one.tool_calls.empty();
        });
    if (document.messages.size() >= least && (!nothing || reference_)) return document;
    inventory.add(
        Fate::left_out, "record", nothing && least == 0 ? "empty" : "skipped",
        nothing && least == 0 ? "none of the fields holds text" : "fewer than two turns are not empty");
    return std::nullopt;
  }

  bool reference_;
};

class Plain final : public DatasetFormat {
 public:
  explicit Plain(std::string field) : field_(std::move(field)) {}
  FieldList fields() const override { return {{field_}}; }
  bool plain() const override { return true; }
  bool fits(const Names& names) const override { return is_one_of(field_, names); }
  std::optional<Document> document(Record& record, const std::string&, Inventory& inventory) const override {
    const Value& field = record.fields.front();
    const std::string_view text = python_strip(field.text);
    if (field.kind != Value::Kind::text || text.empty()) {
      inventory.add(Fate::left_out, "record", "skipped", "its field '" + field_ + "' is no text, or blank");
      return std::nullopt;
    }
    inventory.add(Fate::used, "column", field_);
    Document out;
    out.text = text;
    return out;
  }
  std::string why_skipped(const Record& record) const override {
    const Value& field = record.fields.front();
    return "'" + field_ + "' is " + (field.kind == Value::Kind::text ? "blank" : field.describe());
  }

 private:
  std::string field_;
};

class Alpaca final : public Conversation {
 public:
  using Conversation::Conversation;
  FieldList fields() const override {
    return {{"instruction", "input", "output"}, more({"system", "system_prompt", "history"})};
  }
  bool fits(const Names& names) const override {
    return is_one_of("instruction", names) && is_one_of("output", names);
  }
  std::optional<Document> document(Record& record, const std::string& where,
                                   Inventory& inventory) const override {
    const std::string instruction = text(record, 0, "instruction", where, &inventory);
    const std::string input = text(record, 1, "input", where, &inventory);
    const std::string output = text(record, 2, "output", where, &inventory);
    std::string user(python_strip(instruction));
    if (const std::string_view more = python_strip(input); !more.empty()) user.append("\n\n").append(more);
    Document out;
    if (!reference_) {
      add_history(record.fields[5], where, out.messages);
      if (!out.messages.empty()) inventory.add(Fate::used, "column", "history");
    }
    out.messages.push_back(message("user", std::move(user)));
    out.messages.push_back(message("assistant", std::string(python_strip(output))));
    if (!reference_) {
      add_system(text(record, 3, "system", where), "system", out.messages, inventory);
      add_system(text(record, 4, "system_prompt", where), "system_prompt", out.messages, inventory);
    }
    return checked(std::move(out), 0, inventory);
  }
  std::string why_skipped(const Record&) const override { return "none of the fields holds text"; }

 private:
  /// Pairs of earlier questions and answers.
  static void add_history(const Value& history, const std::string& where,
                          std::vector<ChatMessage>& messages) {
    if (history.kind == Value::Kind::text) {
      if (is_blank(history.text)) return;
      const Value parsed = parse_json(history.text);  // as tables of plain text hold it
      if (parsed.kind == Value::Kind::list) return add_history(parsed, where, messages);
    }
    if (history.absent()) return;
    if (history.kind != Value::Kind::list)
      wrong_type("history", history, "a list of questions and answers", where);
    for (const Value& pair : history.items) {
      const bool fits = pair.kind == Value::Kind::list && pair.items.size() == 2 &&
                        std::all_of(pair.items.begin(), pair.items.end(), [](const Value& text) {
                          return text.absent() || text.kind == Value::Kind::text;
                        });
      if (!fits) wrong_type("history", pair, "pairs of a question and an answer", where);
      messages.push_back(message("user", std::string(python_strip(pair.items[0].text))));
      messages.push_back(message("assistant", std::string(python_strip(pair.items[1].text))));
    }
  }
};

class Dolly final : public Conversation {
 public:
  using Conversation::Conversation;
  FieldList fields() const override { return {{"instruction", "context", "response"}}; }
  bool fits(const Names& names) const override {
    return is_one_of("instruction", names) && is_one_of("response", names);
  }
  std::optional<Document> document(Record& record, const std::string& where,
                                   Inventory& inventory) const override {
    std::string user = text(record, 0, "instruction", where, &inventory);
    const std::string context = text(record, 1, "context", where, &inventory);
    if (!context.empty()) user += "\n\nContext:\n" + context;
    Document out;
    out.messages = {message("user", std::move(user)),
                    message("assistant", text(record, 2, "response", where, &inventory))};
    return checked(std::move(out), 0, inventory);
  }
  std::string why_skipped(const Record&) const override { return "none of the fields holds text"; }
};

/// Lists of turns: openhermes reads one column, sharegpt the first of three that holds something.
class Turns final : public Conversation {
 public:
  Turns(bool openhermes, bool reference) : Conversation(reference) {
    columns_ = openhermes ? Names{"conversations"} : Names{"conversations", "messages", "dialog"};
    rules_.skip_empty = openhermes;
    rules_.from_only = openhermes && reference;
    rules_.reference = reference;
  }
  FieldList fields() const override { return {columns_, more({"system", "system_prompt", "tools"})}; }
  bool fits(const Names& names) const override {
    return std::any_of(columns_.begin(), columns_.end(),
                       [&](const std::string& name) { return is_one_of(name, names); });
  }
  std::optional<Document> document(Record& record, const std::string& where,
                                   Inventory& inventory) const override {
    Document out;
    bool found = false;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (found) {
        if (!record.fields[i].empty())
          inventory.add(Fate::left_out, "column", columns_[i],
                        "another column of the record holds turns too");
        continue;
      }
      out.messages = messages_of(record.fields[i], columns_[i], rules_, where, inventory);
      found = !record.fields[i].empty();
      if (found) inventory.add(Fate::used, "column", columns_[i]);
    }
    if (!reference_) {
      const std::size_t at = columns_.size();
      add_system(text(record, at, "system", where), "system", out.messages, inventory);
      add_system(text(record, at + 1, "system_prompt", where), "system_prompt", out.messages, inventory);
      add_tools(record.fields[at + 2], "tools", where, out, inventory);
    }
    return checked(std::move(out), 2, inventory);
  }

 private:
  Names columns_;
  TurnRules rules_;
};

std::unique_ptr<DatasetFormat> make(RecordFormat format, const DatasetOptions& options) {
  const bool reference = options.reference_rules;
  switch (format) {
    case RecordFormat::plain:
      return std::make_unique<Plain>(options.text_field);
    case RecordFormat::alpaca:
    case RecordFormat::alpaca_chat:
      return std::make_unique<Alpaca>(reference);
    case RecordFormat::openhermes:
      return std::make_unique<Turns>(true, reference);
    case RecordFormat::sharegpt:
      return std::make_unique<Turns>(false, reference);
    case RecordFormat::dolly:
      return std::make_unique<Dolly>(reference);
  }
  throw std::logic_error("a record format without a reader");
}

bool is_number(const std::string& name) {
  return name.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

std::unique_ptr<DatasetFormat> make_format(const DatasetOptions& options) {
  return make(options.format, options);
}

const char* const kPandasHint =
    "where it is a table that pandas wrote, make lines of it: python3 -c 'import pandas as p; "
    "p.read_json(\"OLD\", orient=\"columns\").to_json(\"NEW.jsonl\", orient=\"records\", lines=True)'";

void fail_fit(const DatasetFormat& format, const DatasetOptions& options, const Names& columns,
              const Names& names, const std::string& where, const std::string& advice) {
  Names fitting;
  for (const auto& [other, name] : kRecordFormats) {
    if (other != RecordFormat::alpaca_chat && make(other, options)->fits(names)) fitting.emplace_back(name);
  }
  std::string hint;
  if (!fitting.empty()) {
    hint = "--dataset_format " + join(fitting) + (fitting.size() > 1 ? " (one of them)" : "") + " would fit";
  } else if (std::all_of(names.begin(), names.end(), is_number) && !names.empty()) {
    hint = kPandasHint;
  } else if (format.plain()) {
    hint = "name the field that holds the text with --dataset_text_field";
  } else {
    hint = "say which column is which field with --map FIELD=COLUMN of anemll_precompute and anemll_eval (" +
           join(format.fields().main) +
           "), or read one column as text with --dataset_format plain --dataset_text_field COLUMN";
  }
  if (fitting.empty() && !advice.empty()) hint = advice + "; or " + hint;
  throw_data("the first record has no " + std::string(columns.size() > 1 ? "fields" : "field") +
                 " of format " + choice_name(options.format) + " (" + join(columns) + "); it has " +
                 (names.empty() ? "none" : join(names)),
             where, hint);
}

}  // namespace datasets

}  // namespace anemll
