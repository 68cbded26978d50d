// Words tell families apart well enough for advice: the tokens around turns must be the same, and of such
// families the one is nearest that shares the largest part of all words.
#include "src/core/printable.hpp"
#include "src/text/internal/jinja_outline.hpp"
#include "src/text/internal/template_families.hpp"

#include <algorithm>
#include <set>

namespace anemll::text {
namespace {

using Words = std::set<std::string, std::less<>>;

void add_words(Words& words, std::string_view text) {
  while (!text.empty()) {
    const auto begin = std::find_if(text.begin(), text.end(), is_word);
    const auto end = std::find_if_not(begin, text.end(), is_word);
    if (begin != end) words.emplace(begin, end);
    text.remove_prefix(static_cast<std::size_t>(end - text.begin()));
  }
}

/// What jinja_outline escapes.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      const char c = text[++i];
      out += c == 'n' ? '\n' : c == 't' ? '\t' : c;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// What an outline prints as it is, in its order.
std::vector<std::string> printed(std::string_view outline) {
  constexpr std::string_view kText = "text ";
  std::vector<std::string> out;
  while (!outline.empty()) {
    const std::string_view line = outline.substr(0, outline.find('\n'));
    outline.remove_prefix(std::min(line.size() + 1, outline.size()));
    if (line.starts_with(kText)) out.push_back(unescaped(line.substr(kText.size())));
  }
  return out;
}

/// All that a family prints around what people write.
std::string everything_of(const Family& family) {
  const std::vector<ChatMessage> plain{{"user", "\1"}, {"assistant", "\1", "\1"}, {"user", "\1"}};
  std::vector<ChatMessage> led = plain;
  led.insert(led.begin(), {"system", "\1"});
  std::vector<ChatMessage> calls = led;
  calls[2].tool_calls = {{"\1", "{}"}};
  calls.push_back({"tool", "\1"});
  calls.push_back({"assistant", "\1", "\1"});
  std::string out;
  for (const std::vector<ChatMessage>& messages : {plain, led, calls}) {
    for (const std::vector<std::string>& tools : {std::vector<std::string>(), {"{}"}}) {
      for (const bool thinking : {true, false}) {
        const Conversation chat{messages, tools, thinking, true, {}};
        const bool refused = family.refusal != nullptr && !family.refusal(chat).empty();
        const bool known = messages.size() < 5 || family.responses;
        if (!refused && known) out.append(family.render(family, chat)).append("\n");
      }
    }
  }
  return out;
}

/// How much is shared, of all that there is.
double share(const Words& a, const Words& b) {
  const auto both =
      std::count_if(a.begin(), a.end(), [&](const std::string& word) { return b.contains(word); });
  const double all = static_cast<double>(a.size() + b.size()) - static_cast<double>(both);
  return all > 0 ? static_cast<double>(both) / all : 0;
}

/// What a template asks for counts as a word.
void add_properties(Words& words, bool switches, bool reasons, bool tools) {
  if (switches) words.emplace("{{ enable_thinking }}");
  if (reasons) words.emplace("{{ reasoning_content }}");
  if (tools) words.emplace("{{ tools }}");
}

}  // namespace

std::optional<Nearest> nearest_family(std::string_view outline) {
  const auto has = [&](std::string_view text) { return outline.find(text) != std::string_view::npos; };
  const std::vector<std::string> texts = printed(outline);
  Words words;
  for (const std::string& text : texts) add_words(words, text);
  add_properties(words, has("enable_thinking"), has("reasoning_content"), has("do for tool in tools"));
  std::optional<Nearest> nearest;
  std::string all;
  double best = 0;
  for (const Family& family : families()) {
    std::vector<std::string> marks;
    for (std::string_view rest : {family.start, family.end}) {
      for (; !rest.empty(); rest.remove_prefix(std::min(marks.back().size() + 1, rest.size())))
        marks.emplace_back(rest.substr(0, rest.find(' ')));
    }
    if (!std::all_of(marks.begin(), marks.end(), has)) continue;
    const std::string own = everything_of(family);
    Words of_family;
    add_words(of_family, own);
    add_properties(of_family, family.thinking_switch, family.reasoning, family.tools);
    if (const double shared = share(words, of_family); shared > best) {
      best = shared;
      nearest = Nearest{family.name, {}};
      all = own;
    }
  }
  if (!nearest) return nearest;
  for (const std::string& text : texts) {
    std::string_view rest = text;
    while (!rest.empty() && nearest->foreign.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      if (all.find(line) == std::string::npos) nearest->foreign = printable(line);
    }
  }
  return nearest;
}

}  // namespace anemll::text
