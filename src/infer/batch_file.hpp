// Files of many prompts and of their answers: JSON lines. What has been answered stays written, whatever ends
// the program, and a second start goes on. One process writes.
#pragma once

#include "anemll/text/chat_template.hpp"
#include "src/core/file_lock.hpp"
#include "src/core/metrics_log.hpp"

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

/// A line of the file of prompts.
struct PromptRecord {
  std::size_t line = 0;  ///< from 1
  /// As the line has them, a "prompt" as the user's; a "system" in front.
  std::vector<ChatMessage> messages;
  std::string json;  ///< the whole record
};

/// One object a line, with a string "prompt" or a list "messages" of roles and contents, the last not the
/// assistant's; with a "prompt" there may be a "system". Other keys are carried to the answer. Blank lines
/// are left out. Data errors name file and line: no JSON, none or both of the two keys, the keys of answers.
std::vector<PromptRecord> read_prompt_file(const std::filesystem::path& file);
/// The same of its bytes, which are at hand.
std::vector<PromptRecord> read_prompts(const std::filesystem::path& file, std::string_view bytes);

/// One line of the file of answers, with its end: the prompt's record, "row", "answer", "tokens", "ended",
/// and the whole as training text: "messages" with the answer as the last, or, where no chat template was
/// used
/// (`chat` false), "text".
struct AnswerRecord {
  std::size_t row = 0;  ///< of the file of prompts, from 0
  std::string answer;
  std::size_t tokens = 0;
  std::string ended;
};
std::string answer_line(const PromptRecord& prompt, const AnswerRecord& answer, bool chat);

/// What decides the answers, by name.
using AnswerSettings = std::map<std::string, std::string>;

/// Those that an earlier start recorded beside `out`, in OUT.settings.json; none before the first answer.
/// Usage error for an `out` without them, which is somebody else's; data error where they cannot be read.
std::optional<AnswerSettings> recorded_settings(const std::filesystem::path& out);

class AnswerFile {
 public:
  /// Begins `out`, or goes on with it; a half line at its end goes. Before anything is changed: usage errors
  /// for a file without its settings or with others, or that another process writes; data errors for
  /// lines that are no answers to `rows` prompts.
  AnswerFile(std::filesystem::path out, const AnswerSettings& settings, std::size_t rows);

  const std::set<std::size_t>& done() const { return done_; }
  /// Whole lines, durable when this returns.
  void add(const std::string& lines);
  /// Once every row is done: the lines in the order of the rows, in one step.
  void finish();

 private:
  std::filesystem::path out_;
  FileLock lock_;
  std::optional<LineFile> file_;
  std::set<std::size_t> done_;
};

}  // namespace anemll
