// Values of an enum and the words that stand for them on command lines, in config files and in what runs
// write. One table per enum, beside the enum: an option takes its choices from it (OptionTable::add_choice),
// an error its list, a file its word. What a value does is decided by the value, never by its word.
//
//   enum class OrderKind { shuffle, sequential };
//   inline constexpr auto kOrderKinds =
//       std::to_array<Choice<OrderKind>>({{OrderKind::shuffle, "shuffle"}, ...});
//   constexpr std::span<const Choice<OrderKind>> choices_of(OrderKind) { return kOrderKinds; }
//
// The order of the rows is that of help texts. choices_of is found by the namespace of the enum. The values
// may be of a class, where the table grows as the program runs: see KdObjective.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

template <class E>
struct Choice {
  E value;
  std::string_view name;
};

/// For choice_row.
[[noreturn]] void throw_no_choice();

/// The row of `value` in its table; a value without a row is our own mistake.
template <class E>
std::size_t choice_row(E value) {
  const std::span<const Choice<E>> table = choices_of(value);
  for (std::size_t row = 0; row < table.size(); ++row) {
    if (table[row].value == value) return row;
  }
  throw_no_choice();
}

template <class E>
std::string choice_name(E value) {
  return std::string(choices_of(value)[choice_row(value)].name);
}

/// Nothing for a word that is none of the table's.
template <class E>
std::optional<E> choice_named(std::string_view name) {
  for (const Choice<E>& choice : choices_of(E{})) {
    if (choice.name == name) return choice.value;
  }
  return std::nullopt;
}

/// A variable of some enum, seen as a row of its table.
struct BoundChoice {
  std::vector<std::string> names;  ///< in the order of the table
  std::function<std::size_t()> row;
  std::function<void(std::size_t)> set_row;

  std::string name() const;
};

template <class E>
BoundChoice bind_choice(E* variable) {
  BoundChoice bound;
  for (const Choice<E>& choice : choices_of(E{})) bound.names.emplace_back(choice.name);
  bound.row = [variable] { return choice_row(*variable); };
  bound.set_row = [variable](std::size_t row) { *variable = choices_of(E{})[row].value; };
  return bound;
}

}  // namespace anemll
