// Parsing, checking and naming of option values, and the search for the nearest known name.
#include "src/core/internal/option_spec.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/internal/value_text.hpp"
#include "src/core/nearest.hpp"
#include "src/core/plain_numbers.hpp"
#include "src/core/printable.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <sstream>
#include <utility>

namespace anemll {
namespace {

template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

std::string text_of(double value) {
  return shortest(value);
}
std::string text_of(std::int64_t value) {
  return std::to_string(value);
}

template <class T>
std::string range_text(T min, T max) {
  const bool low = min > std::numeric_limits<T>::lowest();  // an infinite bound is no bound
  const bool high = max < std::numeric_limits<T>::max();
  if (low && high) return text_of(min) + " to " + text_of(max);
  if (low) return "at least " + text_of(min);
  if (high) return "at most " + text_of(max);
  return {};
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::string> joined(const std::vector<std::string>& values) {
  if (values.empty()) return std::nullopt;
  return std::accumulate(values.begin() + 1, values.end(), values.front(),
                         [](const std::string& all, const std::string& one) { return all + '\n' + one; });
}

std::optional<double> parse_real(const std::string& text) {
  // strtod also takes blanks, hexadecimal, nan and inf; none of them is a setting.
  if (text.empty() || text.find_first_not_of("0123456789+-.eE") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double value = plain_strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace

std::string shortest(double value) {
  constexpr double kPlain = 1e7;  // "1000", not "1e+03"
  if (std::abs(value) < kPlain && value == std::trunc(value))
    return std::to_string(static_cast<std::int64_t>(value));
  std::string text;
  for (int digits = 1; digits <= 17; ++digits) {
    text = strf("%.*g", digits, value);
    if (plain_strtod(text.c_str(), nullptr) == value) break;
  }
  return text;
}

std::optional<bool> parse_bool(std::string_view text) {
  if (text == "true" || text == "on" || text == "yes" || text == "1") return true;
  if (text == "false" || text == "off" || text == "no" || text == "0") return false;
  return std::nullopt;
}

std::string OptionSpec::range() const {
  if (const auto* choice = std::get_if<BoundChoice>(&target)) {
    const std::vector<std::string>& names = choice->names;
    return std::accumulate(
        names.begin() + 1, names.end(), names.front(),
        [](std::string all, const std::string& one) { return std::move(all) + " | " + one; });
  }
  if (std::holds_alternative<std::int64_t*>(target) ||
      std::holds_alternative<std::optional<std::int64_t>*>(target)) {
    const std::string limits = range_text(int_min, int_max);
    return word.empty() ? limits : limits + (limits.empty() ? "or " : ", or ") + word;
  }
  if (std::holds_alternative<double*>(target) || std::holds_alternative<std::optional<double>*>(target)) {
    return range_text(real_min, real_max);
  }
  return {};
}

std::string OptionSpec::expectation() const {
  const std::string limits = range();
  const std::string tail = limits.empty() ? "" : ", " + limits;
  return std::visit(
      Overload{[&](std::monostate) { return std::string(takes_value ? "text" : "true or false"); },
               [](const bool*) { return std::string("true or false"); },
               [](const std::string*) { return std::string("text"); },
               [](const std::optional<std::string>*) { return std::string("text"); },
               [](const std::vector<std::string>*) { return std::string("text"); },
               [&](const std::int64_t*) { return "a whole number" + tail; },
               [&](const std::optional<std::int64_t>*) { return "a whole number" + tail; },
               [&](const double*) { return "a number" + tail; },
               [&](const std::optional<double>*) { return "a number" + tail; },
               [&](const BoundChoice&) { return "one of " + limits; }},
      target);
}

std::string OptionSpec::placeholder() const {
  if (kind == OptionKind::flag || kind == OptionKind::toggle || !takes_value) return {};
  if (std::holds_alternative<std::int64_t*>(target) ||
      std::holds_alternative<std::optional<std::int64_t>*>(target)) {
    return "N";
  }
  if (std::holds_alternative<double*>(target) || std::holds_alternative<std::optional<double>*>(target))
    return "X";
  if (name.ends_with("dir") || name.ends_with("cache")) return "DIR";
  if (name.ends_with("file")) return "FILE";
  if (is_path) return "PATH";
  return std::holds_alternative<BoundChoice>(target) ? "NAME" : "TEXT";
}

bool OptionSpec::holds_word() const {
  const auto* number = std::get_if<std::int64_t*>(&target);
  return !word.empty() && number != nullptr && **number == word_value;
}

std::optional<std::string> OptionSpec::value() const {
  using Text = std::optional<std::string>;
  if (holds_word()) return Text(word);
  return std::visit(
      Overload{[](std::monostate) { return Text(); }, [](const std::string* v) { return Text(*v); },
               [](const std::int64_t* v) { return Text(std::to_string(*v)); },
               [](const double* v) { return Text(shortest(*v)); },
               [](const bool* v) { return Text(*v ? "true" : "false"); },
               [](const std::optional<std::string>* v) { return *v; },
               [](const std::vector<std::string>* v) { return joined(*v); },
               [](const std::optional<std::int64_t>* v) { return *v ? Text(std::to_string(**v)) : Text(); },
               [](const std::optional<double>* v) { return *v ? Text(shortest(**v)) : Text(); },
               [](const BoundChoice& choice) { return Text(choice.name()); }},
      target);
}

std::string OptionSpec::checked(const std::string& text, const std::string& place,
                                const std::string& new_source) const {
  const auto refuse = [&](const std::string& why, const std::string& remedy) {
    throw_usage("'" + printable(text) + "' " + why + " (source: " + new_source + ")", place, remedy);
  };
  if (const std::string why = unfit_for_a_value(text); !why.empty())
    refuse(why, "give plain UTF-8 text without control characters; rename a file whose name is not UTF-8");
  if (!is_path) return text;
  if (const std::string why = unfit_for_a_path(text); !why.empty()) refuse(why, "give the path alone");
  const std::optional<std::string> expanded = expand_home(text);
  if (!expanded)
    refuse("names the home folder of a user who is not known here",
           "for a file of that name write ./" + text);
  return *expanded;
}

void OptionSpec::take(const std::optional<std::string>& text) {
  if (auto* list = std::get_if<std::vector<std::string>*>(&target)) {
    (*list)->clear();
    std::istringstream lines(text.value_or(""));
    for (std::string line; std::getline(lines, line);) (*list)->push_back(line);
    return;
  }
  if (text) return store(*text, name, "rank 0");
  std::visit(Overload{[](const auto&) {}, [](std::optional<std::string>* v) { v->reset(); },
                      [](std::optional<std::int64_t>* v) { v->reset(); },
                      [](std::optional<double>* v) { v->reset(); }},
             target);
}

void OptionSpec::assign(const std::string& text, const std::string& place, const std::string& new_source) {
  store(checked(text, place, new_source), place, new_source);
}

void OptionSpec::store(const std::string& text, const std::string& place, const std::string& new_source) {
  const auto refuse = [&](const std::string& problem) {
    const std::string known = default_set && !default_text.empty() ? "; the default is " + default_text : "";
    throw_usage("'" + text + "' " + problem + " (source: " + new_source + ")", place,
                "give " + expectation() + known);
  };
  const auto integer = [&] {
    if (!word.empty() && text == word) return word_value;
    const std::optional<std::int64_t> v = parse_integer(text);
    if (!v) refuse("is not " + expectation());
    if (*v < int_min || *v > int_max) refuse("is out of range, allowed: " + range());
    return *v;
  };
  const auto real = [&] {
    const std::optional<double> v = parse_real(text);
    if (!v) refuse("is not " + expectation());
    if (*v < real_min || *v > real_max) refuse("is out of range, allowed: " + range());
    return *v;
  };
  std::visit(Overload{[](std::monostate) {}, [&](std::string* v) { *v = text; },
                      [&](std::optional<std::string>* v) { *v = text; },
                      [&](std::vector<std::string>* v) {
                        if (source != new_source) v->clear();
                        v->push_back(text);
                      },
                      [&](bool* v) {
                        const std::optional<bool> b = parse_bool(text);
                        if (!b) refuse("is not " + expectation());
                        *v = *b;
                      },
                      [&](std::int64_t* v) { *v = integer(); },
                      [&](std::optional<std::int64_t>* v) { *v = integer(); },
                      [&](double* v) { *v = real(); }, [&](std::optional<double>* v) { *v = real(); },
                      [&](const BoundChoice& choice) {
                        const auto found = std::find(choice.names.begin(), choice.names.end(), text);
                        if (found == choice.names.end()) refuse("is not " + expectation());
                        choice.set_row(static_cast<std::size_t>(found - choice.names.begin()));
                      }},
             target);
  source = new_source;
}

namespace {

/// The spelling in which names are compared.
std::string with_dashes(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return with_dashes(a) == with_dashes(b);
}

const OptionSpec* TableSpec::find(std::string_view name) const {
  const auto it =
      std::find_if(options.begin(), options.end(), [&](const OptionSpec& o) { return o.name == name; });
  return it == options.end() ? nullptr : &*it;
}

OptionSpec* TableSpec::find(std::string_view name) {
  return const_cast<OptionSpec*>(std::as_const(*this).find(name));
}

std::string TableSpec::variable(std::string_view name) const {
  if (environment_prefix.empty()) return {};
  std::string text = environment_prefix + "_";
  for (const char c : name)
    text += c == '-' ? '_' : (c >= 'a' && c <= 'z') ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

std::vector<std::string> TableSpec::variables(const OptionSpec& option) const {
  if (environment_prefix.empty() || option.kind == OptionKind::positional ||
      option.kind == OptionKind::builtin)
    return {};
  std::vector<std::string> all = {variable(option.name)};
  for (const std::string& alias : option.aliases) all.push_back(variable(alias));
  return all;
}

std::vector<Spelling> TableSpec::spellings() const {
  std::vector<Spelling> all;
  for (const OptionSpec& o : options) {
    if (o.kind == OptionKind::positional) continue;
    std::vector<std::string> names = {o.name};
    names.insert(names.end(), o.aliases.begin(), o.aliases.end());
    for (const std::string& name : names) {
      all.push_back({name, o.name});
      if (o.kind == OptionKind::toggle) all.push_back({"no-" + name, "no-" + o.name});
    }
  }
  return all;
}

std::string TableSpec::canonical(std::string_view word) const {
  for (Spelling& spelling : spellings()) {
    if (same_name(spelling.text, word)) return std::move(spelling.canonical);
  }
  return {};
}

const OtherName* TableSpec::by_other_name(std::string_view unknown) const {
  for (const OtherName& row : other_trainers_names()) {
    if (same_name(row.theirs, unknown) && !canonical(row.ours).empty()) return &row;
  }
  return nullptr;
}

std::string TableSpec::suggestion(std::string_view unknown, std::string_view dashes) const {
  if (const OtherName* row = by_other_name(unknown)) {
    return "did you mean " + std::string(dashes) + canonical(row->ours) + "? " + std::string(row->difference);
  }
  std::vector<std::string> known;
  for (Spelling& spelling : spellings()) known.push_back(std::move(spelling.text));
  return did_you_mean(unknown, known, dashes);
}

}  // namespace anemll
