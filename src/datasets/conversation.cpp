#include "src/datasets/internal/conversation.hpp"

#include "src/core/one_of.hpp"
#include "src/core/printable.hpp"
#include "src/datasets/internal/record.hpp"
#include "src/datasets/internal/white_space.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace anemll::datasets {
namespace {

constexpr const char* kHint = "correct the record, or choose the --dataset_format that the file has";

enum class Speaker { system, user, assistant, tool_call, tool };

struct Role {
  std::string_view name;  ///< in lower case
  Speaker speaker;
};
constexpr std::array kRoles = {
    Role{"system", Speaker::system},       Role{"user", Speaker::user},
    Role{"human", Speaker::user},          Role{"prompter", Speaker::user},
    Role{"assistant", Speaker::assistant}, Role{"gpt", Speaker::assistant},
    Role{"bot", Speaker::assistant},       Role{"model", Speaker::assistant},
    Role{"chatgpt", Speaker::assistant},   Role{"function_call", Speaker::tool_call},
    Role{"tool_call", Speaker::tool_call}, Role{"tool_calls", Speaker::tool_call},
    Role{"tool", Speaker::tool},           Role{"observation", Speaker::tool},
    Role{"function", Speaker::tool},       Role{"function_response", Speaker::tool},
    Role{"tool_response", Speaker::tool},  Role{"ipython", Speaker::tool}};

enum class KeyUse { role, text, thinking, calls };

struct Key {
  std::string_view name;
  KeyUse use;
};
/// In the order of preference where several of one use hold something.
constexpr std::array kKeys = {Key{"from", KeyUse::role},         Key{"role", KeyUse::role},
                              Key{"value", KeyUse::text},        Key{"content", KeyUse::text},
                              Key{"text", KeyUse::text},         Key{"reasoning_content", KeyUse::thinking},
                              Key{"thinking", KeyUse::thinking}, Key{"reasoning", KeyUse::thinking},
                              Key{"tool_calls", KeyUse::calls},  Key{"function_call", KeyUse::calls}};

std::string lower_ascii(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

/// Members of an object that hold something and are none of `known`.
void count_members(const Value& object, std::initializer_list<std::string_view> known,
                   const std::string& prefix, const char* why, Inventory& inventory) {
  for (std::size_t i = 0; i < object.keys.size(); ++i) {
    if (!object.items[i].empty() && !is_one_of(object.keys[i], known))
      inventory.add(Fate::left_out, "key", prefix + object.keys[i], why);
  }
}

/// The lists of a struct of lists as a list of structs.
std::optional<Value> rows_of(const Value& columns) {
  std::size_t rows = 0;
  for (const Value& column : columns.items) {
    if (column.absent()) continue;
    if (column.kind != Value::Kind::list) return std::nullopt;
    if (rows != 0 && column.items.size() != rows) return std::nullopt;
    rows = std::max(rows, column.items.size());
  }
  Value out = Value::of_type(Value::Kind::list, {});
  out.items.resize(rows, Value::of_type(Value::Kind::object, {}));
  for (std::size_t k = 0; k < columns.keys.size(); ++k) {
    if (columns.items[k].kind == Value::Kind::list && columns.items[k].items.size() != rows)
      return std::nullopt;
    for (std::size_t i = 0; i < columns.items[k].items.size(); ++i) {
      out.items[i].keys.push_back(columns.keys[k]);
      out.items[i].items.push_back(columns.items[k].items[i]);
    }
  }
  return out;
}

/// One turn through the tables.
class TurnReader {
 public:
  TurnReader(const Value& turn, std::string of, const TurnRules& rules, const std::string& where,
             Inventory& inventory)
      : turn_(turn), of_(std::move(of)), rules_(rules), where_(where), inventory_(inventory) {}

  /// Nothing for a turn that is left out.
  std::optional<ChatMessage> message() {
    count_keys();
    const std::string role = text_of(first(KeyUse::role));
    ChatMessage out{{}, text_of(first(KeyUse::text))};
    if (rules_.reference) {
      out.role = reference_role(role);
      for (const KeyUse use : {KeyUse::thinking, KeyUse::calls})
        leave_out(use, "--compat reference knows no such part");
      return rules_.skip_empty && out.content.empty() ? std::nullopt : std::optional(std::move(out));
    }
    read_thinking(out);
    read_calls(out);
    const bool nothing = out.content.empty() && out.reasoning_content.empty() && out.tool_calls.empty();
    if (nothing && (rules_.skip_empty || role.empty())) return std::nullopt;
    const std::string name = lower_ascii(role);
    const auto known =
        std::find_if(kRoles.begin(), kRoles.end(), [&](const Role& one) { return one.name == name; });
    if (known == kRoles.end()) {
      inventory_.add(Fate::left_out, "turn", role.empty() ? "(without a role)" : role,
                     "the role is none of the known ones");
      return std::nullopt;
    }
    speak(known->speaker, out);
    inventory_.add(Fate::used, "role", name == out.role ? name : name + " as " + out.role);
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw_bad_record(what + " of " + of_, where_, kHint);
  }

  const Key* first(KeyUse use) const {
    const Key* there = nullptr;
    for (const Key& key : kKeys) {
      if (key.use != use || (rules_.from_only && !is_one_of(key.name, {"from", "value"}))) continue;
      if (rules_.reference && key.name == "text") continue;
      const Value* value = turn_.find(key.name);
      if (value == nullptr || value->absent()) continue;
      if (!value->empty()) return &key;
      if (there == nullptr) there = &key;
    }
    return there;
  }
  std::string text_of(const Key* key) const {
    if (key == nullptr) return {};
    return text_of_parts(*turn_.find(key->name), in_quotes(key->name) + " of " + of_, where_, inventory_);
  }

  void count_keys() {
    for (std::size_t i = 0; i < turn_.keys.size(); ++i) {
      if (turn_.items[i].empty()) continue;
      const auto known =
          std::find_if(kKeys.begin(), kKeys.end(), [&](const Key& key) { return key.name == turn_.keys[i]; });
      if (known == kKeys.end()) {
        inventory_.add(Fate::left_out, "key", turn_.keys[i], "no rule reads this key of a turn");
        continue;
      }
      if (rules_.reference && (known->use == KeyUse::thinking || known->use == KeyUse::calls)) continue;
      const Key* used = known->use == KeyUse::calls ? &*known : first(known->use);
      const bool same = used != nullptr && (used->name == known->name ||
                                            turn_.find(used->name)->json() == turn_.items[i].json());
      inventory_.add(same ? Fate::used : Fate::left_out, "key", turn_.keys[i],
                     same ? "" : "another key of the turn is read in its place");
    }
  }
  void leave_out(KeyUse use, const char* why) {
    for (const Key& key : kKeys) {
      const Value* value = key.use == use ? turn_.find(key.name) : nullptr;
      if (value != nullptr && !value->empty()) inventory_.add(Fate::left_out, "key", key.name, why);
    }
  }

  std::string reference_role(std::string role) const {
    if (!rules_.from_only) role = lower_ascii(role);
    if (role == "system") return role;
    const bool assistant = role == "gpt" || (!rules_.from_only && (role == "assistant" || role == "bot"));
    if (!assistant && !is_one_of(role, {"human", "user"}))
      inventory_.add(Fate::left_out, "role", role, "--compat reference makes such turns the user's");
    return assistant ? "assistant" : "user";
  }

  void read_thinking(ChatMessage& out) {
    const Key* key = first(KeyUse::thinking);
    if (key == nullptr) return;
    const Value& value = *turn_.find(key->name);
    if (value.kind == Value::Kind::text) {
      out.reasoning_content = value.text;
    } else if (!value.empty()) {
      inventory_.add(Fate::left_out, "key", key->name, "it is no text");
    }
  }

  void read_calls(ChatMessage& out) {
    for (const Key& key : kKeys) {
      const Value* value = key.use == KeyUse::calls ? turn_.find(key.name) : nullptr;
      if (value != nullptr && !value->empty()) add_calls(*value, in_quotes(key.name), out);
    }
  }

  /// A call, a list of calls, or a text that holds one of them.
  void add_calls(const Value& value, const std::string& what, ChatMessage& out) {
    if (value.kind == Value::Kind::text) {
      const Value parsed = parse_json(value.text);
      if (parsed.kind == Value::Kind::missing) fail(what + " is no JSON, so no call of a tool");
      return add_calls(parsed, what, out);
    }
    if (value.kind == Value::Kind::list) {
      for (const Value& item : value.items) {
        if (item.kind == Value::Kind::list) fail(what + " is a list of lists, not of calls");
        add_calls(item, what, out);
      }
      return;
    }
    if (value.kind != Value::Kind::object) fail(what + " is " + value.describe() + ", not a call of a tool");
    const Value* function = value.find("function");
    const bool wrapped = function != nullptr && function->kind == Value::Kind::object;
    const Value& call = wrapped ? *function : value;
    if (wrapped)
      count_members(value, {"function"}, "tool_calls.",
                    "the templates print name and arguments of a call only", inventory_);
    const Value* name = call.find("name");
    const Value* arguments = call.find("arguments");
    if (name == nullptr || name->kind != Value::Kind::text) fail(what + " is a call without a name");
    count_members(call, {"name", "arguments"}, "tool_calls.",
                  "the templates print name and arguments of a call only", inventory_);
    std::string text = "{}";
    if (arguments != nullptr && !arguments->absent())
      text = arguments->kind == Value::Kind::text ? arguments->text : arguments->json();
    out.tool_calls.push_back({name->text, std::move(text)});
  }

  void speak(Speaker speaker, ChatMessage& out) {
    switch (speaker) {
      case Speaker::system:
        out.role = "system";
        break;
      case Speaker::user:
        out.role = "user";
        break;
      case Speaker::tool:
        out.role = "tool";
        break;
      case Speaker::tool_call: {
        out.role = "assistant";
        // Some write the call as the model does, which is text already.
        const bool rendered = python_strip(out.content).starts_with("<tool_call>");
        if (out.content.empty() || rendered) break;
        add_calls(Value::of_text(std::exchange(out.content, {})), "the text", out);
        break;
      }
      case Speaker::assistant:
        out.role = "assistant";
        return;
    }
    if (out.role == "assistant") return;
    if (!out.reasoning_content.empty()) {
      inventory_.add(Fate::left_out, "thinking", out.role, "only an assistant's turn has a place for it");
      out.reasoning_content.clear();
    }
    if (!out.tool_calls.empty()) {
      inventory_.add(Fate::left_out, "tool call", out.role, "only an assistant's turn has a place for it");
      out.tool_calls.clear();
    }
  }

  const Value& turn_;
  std::string of_;
  const TurnRules& rules_;
  const std::string& where_;
  Inventory& inventory_;
};

}  // namespace

std::string text_of_parts(const Value& value, const std::string& what, const std::string& where,
                          Inventory& inventory) {
  if (value.absent()) return {};
  if (value.kind == Value::Kind::text) return value.text;
  const auto fail = [&](const std::string& type) {
    throw_bad_record(what + " is " + type + ", not a string", where, kHint);
  };
  if (value.kind != Value::Kind::list) fail(value.describe());
  std::string out;
  for (const Value& part : value.items) {
    if (part.absent()) continue;
    if (part.kind == Value::Kind::text) {
      out += part.text;
      continue;
    }
    if (part.kind != Value::Kind::object) fail("a list with " + part.describe() + " in it");
    const Value* type = part.find("type");
    const Value* text = part.find("text");
    if (text == nullptr || text->absent()) text = part.find("content");
    const std::string name = type != nullptr && type->kind == Value::Kind::text ? type->text : std::string();
    const bool is_text = (name.empty() || is_one_of(name, {"text", "input_text", "output_text"})) &&
                         text != nullptr && text->kind == Value::Kind::text;
    if (is_text) {
      out += text->text;
      count_members(part, {"type", "text", "content"}, "content.", "no rule reads this key of a text part",
                    inventory);
    } else {
      inventory.add(Fate::left_out, "part", name.empty() ? "(without a type)" : name,
                    "only parts of a content that are text are read");
    }
  }
  return out;
}

std::vector<ChatMessage> messages_of(const Value& turns, const std::string& name, const TurnRules& rules,
                                     const std::string& where, Inventory& inventory) {
  if (turns.absent()) return {};
  const auto fail = [&] {
    throw_bad_record(
        in_quotes(name) + " is " + turns.describe() + ", not a list of turns" + quoted_start(turns.text),
        where, kHint);
  };
  if (turns.kind == Value::Kind::text) {  // a CSV file has no lists
    const Value parsed = parse_json(turns.text);
    if (parsed.kind != Value::Kind::list && parsed.kind != Value::Kind::object) fail();
    return messages_of(parsed, name, rules, where, inventory);
  }
  if (turns.kind == Value::Kind::object) {
    const std::optional<Value> rows = rows_of(turns);
    if (!rows) fail();
    return messages_of(*rows, name, rules, where, inventory);
  }
  if (turns.kind != Value::Kind::list) fail();
  std::vector<ChatMessage> out;
  for (std::size_t i = 0; i < turns.items.size(); ++i) {
    const Value& turn = turns.items[i];
    if (turn.absent() && !rules.reference) continue;
    if (!turn.absent() && turn.kind != Value::Kind::object) fail();
    TurnReader reader(turn, "turn " + std::to_string(i + 1) + " of " + in_quotes(name), rules, where,
                      inventory);
    if (auto message = reader.message()) out.push_back(std::move(*message));
  }
  return out;
}

std::vector<std::string> tools_of(const Value& value, const std::string& name, const std::string& where) {
  if (value.absent()) return {};
  if (value.kind == Value::Kind::text) {
    if (python_strip(value.text).empty()) return {};
    const Value parsed = parse_json(value.text);
    if (parsed.kind == Value::Kind::list || parsed.kind == Value::Kind::object)
      return tools_of(parsed, name, where);
    throw_bad_record(in_quotes(name) + " is a string that holds no list of tools" + quoted_start(value.text),
                     where, kHint);
  }
  if (value.kind == Value::Kind::object) return {value.json()};
  if (value.kind != Value::Kind::list)
    throw_bad_record(in_quotes(name) + " is " + value.describe() + ", not a list of tools", where, kHint);
  std::vector<std::string> out;
  for (const Value& tool : value.items) {
    if (tool.absent()) continue;
    // A text of its own is a tool in JSON, or the name of one.
    const Value parsed = tool.kind == Value::Kind::text ? parse_json(tool.text) : Value{};
    out.push_back(parsed.kind == Value::Kind::missing ? tool.json() : parsed.json());
  }
  return out;
}

}  // namespace anemll::datasets
