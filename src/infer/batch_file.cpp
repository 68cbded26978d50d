#include "src/infer/batch_file.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/content_kind.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr auto kAnswerKeys = std::to_array<const char*>({"row", "answer", "tokens", "ended", "text"});

std::string place(const fs::path& file, std::size_t line) {
  return file.string() + ", line " + std::to_string(line);
}

/// f(line without its end, number from 1) for each line that is not blank.
template <class F>
void for_lines(std::string_view text, const F& f) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) f(line, number);
  }
}

std::string text_in(const ordered_json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string())
    throw_data(std::string("\"") + key + "\" is not a text", where, "write it in quotes");
  return found->get<std::string>();
}

std::vector<ChatMessage> turns_of(const ordered_json& list, const std::string& where) {
  if (!list.is_array() || list.empty())
    throw_data("\"messages\" is not a list of turns", where, R"(write [{"role": "user", "content": "..."}])");
  std::vector<ChatMessage> turns;
  for (const ordered_json& turn : list) {
    if (!turn.is_object() || turn.size() != 2)
      throw_data("a turn has other keys than \"role\" and \"content\"", where,
                 "leave these two in each of the messages");
    turns.push_back({text_in(turn, "role", where), text_in(turn, "content", where)});
  }
  if (turns.back().role == "assistant")
    throw_data("the last turn is the assistant's", where, "end with the user's turn");
  return turns;
}

std::vector<ChatMessage> messages_of(const ordered_json& record, const std::string& where) {
  const bool has_prompt = record.contains("prompt");
  if (has_prompt == record.contains("messages"))
    throw_data(has_prompt ? "has both \"prompt\" and \"messages\"" : "has no \"prompt\" and no \"messages\"",
               where, R"(write {"prompt": "..."} or {"messages": [...]})");
  if (!has_prompt && record.contains("system"))
    throw_data("\"system\" stands beside \"messages\"", where, "make it the first of the messages");
  if (!has_prompt) return turns_of(record.at("messages"), where);
  std::vector<ChatMessage> messages;
  if (record.contains("system")) messages.push_back({"system", text_in(record, "system", where)});
  messages.push_back({"user", text_in(record, "prompt", where)});
  return messages;
}

fs::path settings_file(const fs::path& out) {
  fs::path file = out;
  return file += ".settings.json";
}

/// Whether there is something to go on with, or to keep.
bool holds_text(const fs::path& out) {
  return has_name(out) && !read_text(out).empty();
}

std::size_t row_of(std::string_view line, std::size_t number, const fs::path& file, std::size_t rows) {
  const json object = json::parse(line, nullptr, /*allow_exceptions=*/false);
  const bool is_answer = object.is_object() && object.contains("row") &&
                         object.at("row").is_number_unsigned() && object.at("row").get<std::size_t>() < rows;
  if (!is_answer)
    throw_data("is no answer to one of the " + std::to_string(rows) + " prompts", place(file, number),
               "remove the line, or name another file for the answers");
  return object.at("row").get<std::size_t>();
}

void require_same(const AnswerSettings& before, const AnswerSettings& now, const fs::path& out) {
  std::string differences;
  const auto value = [](const AnswerSettings& settings, const std::string& key) {
    const auto found = settings.find(key);
    return found == settings.end() ? std::string("nothing") : strf("'%s'", found->second.c_str());
  };
  AnswerSettings keys = before;
  keys.insert(now.begin(), now.end());
  for (const auto& [key, unused] : keys) {
    if (value(before, key) == value(now, key)) continue;
    differences +=
        (differences.empty() ? "" : "; ") + key + " was " + value(before, key) + ", is " + value(now, key);
  }
  if (differences.empty()) return;
  throw_usage("holds answers of other settings: " + differences, out.string(),
              "name another file, or repeat the first command");
}

}  // namespace

std::vector<PromptRecord> read_prompt_file(const fs::path& file) {
  const auto mapped = MappedFile::open(file);
  const std::span<const std::byte> bytes = mapped->bytes();
  return read_prompts(file, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::vector<PromptRecord> read_prompts(const fs::path& file, std::string_view bytes) {
  std::vector<PromptRecord> prompts;
  for_lines(input_text(file, std::as_bytes(std::span(bytes)), "a file of prompts in JSON Lines"),
            [&](std::string_view line, std::size_t number) {
              const std::string where = place(file, number);
              const ordered_json record = ordered_json::parse(line, nullptr, /*allow_exceptions=*/false);
              if (!record.is_object()) throw_data("is no JSON object", where, "each line holds one {...}");
              for (const char* key : kAnswerKeys) {
                if (record.contains(key))
                  throw_data(std::string("has the key \"") + key + "\", which the answers have", where,
                             "rename it");
              }
              prompts.push_back({number, messages_of(record, where), record.dump()});
            });
  if (prompts.empty()) throw_data("holds no prompts", file.string(), "write one JSON object a line");
  return prompts;
}

std::string answer_line(const PromptRecord& prompt, const AnswerRecord& answer, bool chat) {
  ordered_json line = ordered_json::parse(prompt.json);
  line["row"] = answer.row;
  line["answer"] = answer.answer;
  line["tokens"] = answer.tokens;
  line["ended"] = answer.ended;
  if (chat) {
    ordered_json messages = ordered_json::array();
    for (const ChatMessage& message : prompt.messages)
      messages.push_back({{"role", message.role}, {"content", message.content}});
    messages.push_back({{"role", "assistant"}, {"content", answer.answer}});
    line["messages"] = std::move(messages);
  } else {
    line["text"] = prompt.messages.back().content + answer.answer;
  }
  return line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::optional<AnswerSettings> recorded_settings(const fs::path& out) {
  const fs::path file = settings_file(out);
  if (!holds_text(out)) return std::nullopt;
  if (!has_name(file))
    throw_usage("is there already, and not by this program", out.string(), "give the name of a new file");
  const json object = json::parse(read_text(file), nullptr, /*allow_exceptions=*/false);
  AnswerSettings settings;
  bool good = object.is_object();
  for (auto item = object.begin(); good && item != object.end(); ++item) {
    good = item->is_string();
    if (good) settings[item.key()] = item->get<std::string>();
  }
  if (!good)
    throw_data("is not the record of settings that stands beside answers", file.string(),
               "name another file for the answers");
  return settings;
}

AnswerFile::AnswerFile(fs::path out, const AnswerSettings& settings, std::size_t rows)
    : out_(std::move(out)) {
  const fs::path record = settings_file(out_);
  const std::optional<AnswerSettings> before = recorded_settings(out_);
  const bool is_there = holds_text(out_);
  if (before) require_same(*before, settings, out_);
  const auto lock = [&] {
    if (!lock_.take(record))
      throw_usage("another process writes answers there", out_.string(), "wait for it, or name another file");
  };
  if (has_name(record)) lock();  // it may be at its first answer
  if (!before) write_file(record, json(settings).dump(2) + "\n");
  lock();  // on the file that is there now
  if (is_there) {
    const std::string text = read_text(out_);
    const std::string_view whole(text.data(), text.rfind('\n') + 1);  // npos + 1 is 0
    for_lines(whole, [&](std::string_view line, std::size_t number) {
      done_.insert(row_of(line, number, out_, rows));
    });
  }
  file_.emplace(out_, LogStart::append);
}

void AnswerFile::add(const std::string& lines) {
  file_->write(lines);
  file_->sync();
}

void AnswerFile::finish() {
  std::map<std::size_t, std::string> sorted;
  for_lines(file_->content(), [&](std::string_view line, std::size_t number) {
    sorted[row_of(line, number, out_, std::string_view::npos)] = std::string(line) + "\n";
  });
  std::string text;
  for (const auto& [row, line] : sorted) text += line;
  file_->replace(text);
}

}  // namespace anemll
