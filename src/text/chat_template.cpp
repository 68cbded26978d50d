// The public face of the table of families: recognition, questions and rendering.
#include "anemll/text/chat_template.hpp"

#include "anemll/core/error.hpp"
#include "src/core/printable.hpp"
#include "src/text/internal/jinja_outline.hpp"
#include "src/text/internal/python_strip.hpp"
#include "src/text/internal/template_families.hpp"

#include <algorithm>
#include <utility>

namespace anemll {
namespace {

/// The words of `text`, which have a blank between them.
void append_words(std::vector<std::string>& out, std::string_view text) {
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    out.emplace_back(word);
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
}

}  // namespace

ChatTemplate::ChatTemplate(ChatFormat format, bool tools) : format_(format), tools_(tools) {}

ChatTemplate ChatTemplate::named(std::string_view name) {
  for (const text::Family& family : text::families()) {
    if (family.name == name) return ChatTemplate(family.format);
  }
  throw_usage(std::string("there is no chat template '").append(name).append("'"), "--chat-template",
              std::string("give --chat-template one of: ").append(choices()));
}

ChatTemplate ChatTemplate::recognise(std::string_view jinja, const std::string& where) {
  constexpr std::size_t kShown = 50;
  const std::string outline = text::jinja_outline(jinja);
  if (const auto found = text::recognise_outline(outline)) return ChatTemplate(found->format, found->tools);
  const auto nearest = text::nearest_family(outline);
  std::string what = "the chat template is not one of the known ones; ";
  if (jinja.empty()) {
    what = "the model has no chat template";
  } else if (!nearest) {
    what += "it begins with " + printable(jinja.substr(0, kShown));
  } else {
    what.append("the nearest is ").append(nearest->name);
    what += nearest->foreign.empty() ? ", which prints the same texts by other statements"
                                     : ", which never prints '" + nearest->foreign.substr(0, kShown) + "'";
  }
  throw_data(
      what, where,
      std::string(nearest ? "if the rules of that one will do: --chat-template " : "--chat-template ")
          .append(nearest ? nearest->name : "NAME")
          .append(" of anemll_infer and anemll_precompute, which know ")
          .append(choices())
          .append("; or their --no-template, for the messages without one; or render the texts elsewhere: "
                  "programs that read data sets take them with --dataset_format plain"));
}

std::string ChatTemplate::choices() {
  std::string out;
  for (const text::Family& family : text::families()) out.append(out.empty() ? "" : ", ").append(family.name);
  return out;
}

std::string ChatTemplate::name() const {
  return std::string(text::family_of(format_).name);
}

bool ChatTemplate::has_thinking_switch() const {
  return text::family_of(format_).thinking_switch;
}

bool ChatTemplate::has_thinking() const {
  return text::family_of(format_).thinking;
}

bool ChatTemplate::reads_reasoning() const {
  return text::family_of(format_).reasoning;
}

void ChatTemplate::set_date(std::string date) {
  if (!text::family_of(format_).date)
    throw_usage(std::string("the chat template ").append(name()).append(" has no line with a date"),
                "--template-date " + date, "leave --template-date out");
  if (date.empty())
    throw_usage("is empty", "--template-date", "give a day, as in --template-date \"26 Jul 2024\"");
  date_ = std::move(date);
}

std::string ChatTemplate::label() const {
  return date_.empty() ? name() : name() + ", Today Date: " + date_;
}

bool ChatTemplate::has_tools() const {
  return tools_ && text::family_of(format_).tools;
}

bool ChatTemplate::prints_calls(const ChatMessage& message) const {
  const text::CallRule rule = tools_ ? text::family_of(format_).calls : text::CallRule::none;
  return rule == text::CallRule::without_it ? message.content.empty() : rule != text::CallRule::none;
}

bool ChatTemplate::prints_text(const ChatMessage& message) const {
  return message.tool_calls.empty() || !prints_calls(message) ||
         text::family_of(format_).calls != text::CallRule::for_text;
}

bool ChatTemplate::knows_role(std::string_view role) const {
  if (role == "tool") return tools_ && text::family_of(format_).responses;
  return role == "system" || role == "user" || role == "assistant";
}

bool ChatTemplate::prints_thinking(const std::vector<ChatMessage>& messages, std::size_t i) const {
  return reads_reasoning() && messages[i].role == "assistant" && i > text::last_query(messages);
}

std::vector<std::string> ChatTemplate::marks() const {
  const text::Family& family = text::family_of(format_);
  std::vector<std::string> out;
  for (const std::string_view words : {family.bos, family.start, family.end}) append_words(out, words);
  return out;
}

std::vector<std::string> ChatTemplate::stops() const {
  const text::Family& family = text::family_of(format_);
  std::vector<std::string> out;
  for (const std::string_view words : {family.end, family.stops}) append_words(out, words);
  return out;
}

std::string ChatTemplate::refusal(const std::vector<ChatMessage>& messages,
                                  const std::vector<std::string>& tools) const {
  const text::Family& family = text::family_of(format_);
  return family.refusal == nullptr ? std::string() : family.refusal({messages, tools, false, false, date_});
}

std::string ChatTemplate::render(const std::vector<ChatMessage>& messages, bool enable_thinking,
                                 bool add_generation_prompt, const std::vector<std::string>& tools) const {
  const text::Family& family = text::family_of(format_);
  const text::Conversation chat{messages, tools, enable_thinking, add_generation_prompt, date_};
  if (const std::string why = refusal(messages, tools); !why.empty())
    throw_data(
        std::string("the chat template ").append(name()).append(" refuses the conversation: ").append(why),
        "the text",
        "change the conversation, or choose other rules (--chat-template of anemll_infer and "
        "anemll_precompute)");
  return family.render(family, chat);
}

std::string strip_thinking(std::string_view text) {
  constexpr std::string_view kOpen = "<think>";
  constexpr std::string_view kClose = "</think>";
  std::string out;
  std::size_t at = 0;
  while (true) {
    const std::size_t open = text.find(kOpen, at);
    const std::size_t close = open == std::string_view::npos ? open : text.find(kClose, open + kOpen.size());
    if (close == std::string_view::npos) break;
    out.append(text, at, open - at);
    at = close + kClose.size();
    at += text::leading_space(text.substr(at));
  }
  return out.append(text, at);
}

}  // namespace anemll
