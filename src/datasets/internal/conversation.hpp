// Conversations of every format through one pair of tables: the roles and the keys of a turn that are known,
// and what each becomes. What is in neither table is counted, never guessed.
#pragma once

#include "anemll/core/inventory.hpp"
#include "anemll/text/chat_template.hpp"
#include "src/datasets/internal/value.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace anemll::datasets {

/// How a format reads its turns.
struct TurnRules {
  bool skip_empty = false;  ///< turns without text are left out (openhermes)
  /// As the reference's cache script: one key of text, other roles than its own are the user's.
  bool reference = false;
  bool from_only = false;  ///< with `reference`: `from` and `value` only, in that case
};

/// A list of turns, or an object of equally long lists (its columns), as messages. `name`: of the field.
/// Bad records name `where`.
std::vector<ChatMessage> messages_of(const Value& turns, const std::string& name, const TurnRules& rules,
                                     const std::string& where, Inventory& inventory);

/// Text, or a list of parts whose texts are joined; absent and null are "". Parts that are no text are
/// counted. A bad record for other types: `what` names the value.
std::string text_of_parts(const Value& value, const std::string& what, const std::string& where,
                          Inventory& inventory);

/// The descriptions of tools, each as JSON: a list of objects, or a text that holds one. A bad record else.
std::vector<std::string> tools_of(const Value& value, const std::string& name, const std::string& where);

}  // namespace anemll::datasets
