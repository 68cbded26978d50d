#include "src/tools/infer_lines.hpp"

#include "anemll/core/error.hpp"

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <utility>

#include <histedit.h>
#include <unistd.h>

namespace anemll {
namespace {

constexpr int kRemembered = 1000;

void cut_line_end(std::string& line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
}

/// The library cuts what is typed into characters by the locale. Numbers stay those of "C".
void use_utf8() {
  if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
}

}  // namespace

struct LineReader::Terminal {
  Terminal(const std::string& program, std::string text) : prompt(std::move(text)) {
    use_utf8();
    lines = ::el_init(program.c_str(), stdin, stdout, stderr);
    past = ::history_init();
    if (lines == nullptr || past == nullptr)
      throw_data("cannot edit lines", "terminal", "check TERM, or give the lines through a pipe");
    HistEvent event;
    ::history(past, &event, H_SETSIZE, kRemembered);
    ::el_set(lines, EL_CLIENTDATA, this);
    ::el_set(lines, EL_PROMPT, &Terminal::show_prompt);
    ::el_set(lines, EL_EDITOR, "emacs");
    ::el_set(lines, EL_SIGNAL, 1);  // the terminal is itself again before a signal ends the program
    ::el_set(lines, EL_HIST, ::history, past);
    ::el_set(lines, EL_ADDFN, "anemll-drop-line", "Drop the line", &Terminal::drop_line);
    ::el_source(lines, nullptr);
    // Ctrl-C is a key here, not a signal: it drops the line. While an answer is written it is a signal again.
    ::el_set(lines, EL_SETTY, "-d", "-isig", nullptr);
    ::el_set(lines, EL_BIND, "^C", "anemll-drop-line", nullptr);
  }
  ~Terminal() {
    if (past != nullptr) ::history_end(past);
    if (lines != nullptr) ::el_end(lines);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  static Terminal& of(EditLine* lines) {
    void* self = nullptr;
    ::el_get(lines, EL_CLIENTDATA, &self);
    return *static_cast<Terminal*>(self);
  }
  static char* show_prompt(EditLine* lines) { return of(lines).prompt.data(); }
  static unsigned char drop_line(EditLine* lines, int) {
    of(lines).dropped = true;
    return CC_NEWLINE;
  }

  EditLine* lines = nullptr;
  History* past = nullptr;
  std::string prompt;
  bool dropped = false;
};

LineReader::LineReader(const std::string& program, const std::string& prompt) {
  if (::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0)
    terminal_ = std::make_unique<Terminal>(program, prompt);
}
LineReader::~LineReader() = default;

std::optional<std::string> LineReader::next() {
  if (!terminal_) {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    cut_line_end(line);
    return line;
  }
  terminal_->dropped = false;
  int count = 0;
  errno = 0;
  const char* text = ::el_gets(terminal_->lines, &count);
  if (terminal_->dropped || (text == nullptr && count < 0 && errno == EINTR)) {
    const bool empty =
        text == nullptr || std::string_view(text).find_first_not_of("\r\n") == std::string_view::npos;
    std::fputs(empty ? "\n(Ctrl-D or /quit leaves)\n" : "\n", stdout);
    std::fflush(stdout);
    return std::string();
  }
  if (text == nullptr || count <= 0) {
    std::fputs("\n", stdout);
    return std::nullopt;
  }
  std::string line(text, static_cast<std::size_t>(count));
  HistEvent event;
  if (line.find_first_not_of(" \t\r\n") != std::string::npos)
    ::history(terminal_->past, &event, H_ENTER, line.c_str());
  cut_line_end(line);
  return line;
}

}  // namespace anemll
