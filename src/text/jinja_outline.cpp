#include "src/text/internal/jinja_outline.hpp"

#include <algorithm>
#include <vector>

namespace anemll::text {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// A string literal with its value; everything else is a word or one character.
struct Token {
  bool literal = false;
  std::string text;
};

std::string unescape(std::string_view body) {
  std::string out;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\' || i + 1 == body.size()) {
      out += body[i];
      continue;
    }
    const char c = body[++i];
    if (c == 'n') {
      out += '\n';
    } else if (c == 't') {
      out += '\t';
    } else if (c == '\\' || c == '\'' || c == '"') {
      out += c;
    } else {
      out.append({'\\', c});
    }
  }
  return out;
}

std::vector<Token> tokens_of(std::string_view code) {
  std::vector<Token> out;
  for (std::size_t i = 0; i < code.size();) {
    const char c = code[i];
    if (is_blank(c)) {
      ++i;
    } else if (c == '\'' || c == '"') {
      std::size_t end = i + 1;
      while (end < code.size() && code[end] != c) end += code[end] == '\\' ? std::size_t{2} : std::size_t{1};
      end = std::min(end, code.size());
      out.push_back({true, unescape(code.substr(i + 1, end - i - 1))});
      i = end + 1;
    } else if (is_word(c)) {
      std::size_t end = i;
      while (end < code.size() && is_word(code[end])) ++end;
      out.push_back({false, std::string(code.substr(i, end - i))});
      i = end;
    } else {
      out.push_back({false, std::string(1, c)});
      ++i;
    }
  }
  return out;
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\\' || c == '"') {
      out.append({'\\', c});
    } else {
      out += c;
    }
  }
  return out;
}

/// ['name'] after a word, ) or ] as .name.
void dots_for_subscripts(std::vector<Token>& tokens) {
  std::vector<Token> out;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto is = [&](std::size_t at, const char* text) {
      return !tokens[at].literal && tokens[at].text == text;
    };
    const bool after_value =
        !out.empty() && !out.back().literal &&
        (is_word(out.back().text[0]) || out.back().text == "]" || out.back().text == ")") &&
        out.back().text != "in";
    const bool plain = i + 2 < tokens.size() && is(i, "[") && tokens[i + 1].literal && is(i + 2, "]") &&
                       !tokens[i + 1].text.empty() &&
                       std::all_of(tokens[i + 1].text.begin(), tokens[i + 1].text.end(), is_word);
    if (after_value && plain) {
      out.push_back({false, "."});
      out.push_back({false, tokens[i + 1].text});
      i += 2;
    } else {
      out.push_back(tokens[i]);
    }
  }
  tokens = std::move(out);
}

std::string joined(const std::vector<Token>& tokens) {
  std::string out;
  for (const Token& token : tokens) {
    if (token.literal) {
      out += '"' + escape(token.text) + '"';
    } else {
      if (!out.empty() && is_word(out.back()) && is_word(token.text[0])) out += ' ';
      out += token.text;
    }
  }
  return out;
}

class Outliner {
 public:
  std::string take(std::string_view jinja);

 private:
  void text(std::string_view raw) { pending_ += raw; }
  void step(const std::string& line) {
    flush();
    out_ += line + '\n';
  }
  void flush() {
    if (!pending_.empty()) out_ += "text " + escape(pending_) + '\n';
    pending_.clear();
  }
  void print(std::vector<Token> tokens);

  std::string out_;
  std::string pending_;
};

/// The terms of a sum at the outermost level, each printed by itself.
void Outliner::print(std::vector<Token> tokens) {
  dots_for_subscripts(tokens);
  std::vector<std::vector<Token>> terms(1);
  int depth = 0;
  bool only_sum = true;
  for (const Token& token : tokens) {
    if (!token.literal && (token.text == "(" || token.text == "[")) ++depth;
    if (!token.literal && (token.text == ")" || token.text == "]")) --depth;
    // A filter or a condition takes the whole sum or its last term: such an expression stays whole.
    if (!token.literal && depth == 0 && (token.text == "|" || token.text == "if" || token.text == "~"))
      only_sum = false;
    if (!token.literal && depth == 0 && token.text == "+") {
      terms.emplace_back();
    } else {
      terms.back().push_back(token);
    }
  }
  if (!only_sum) {
    step("print " + joined(tokens));
    return;
  }
  for (const std::vector<Token>& term : terms) {
    if (term.size() == 1 && term[0].literal) {
      text(term[0].text);
    } else {
      step("print " + joined(term));
    }
  }
}

std::string Outliner::take(std::string_view jinja) {
  // As Python renders them: trim_blocks, lstrip_blocks, no line end after the last line.
  if (jinja.ends_with('\n')) jinja.remove_suffix(1);
  bool strip_next = false;       // the last tag ended in -
  bool after_statement = false;  // ... was a statement or a comment
  bool line_start = true;        // nothing but the line's end, which the last tag took, is before `at`
  std::size_t at = 0;
  while (at < jinja.size()) {
    std::size_t open = jinja.find('{', at);
    while (
        open != std::string_view::npos &&
        (open + 1 >= jinja.size() || std::string_view("{%#").find(jinja[open + 1]) == std::string_view::npos))
      open = jinja.find('{', open + 1);
    const bool last = open == std::string_view::npos;
    std::string_view raw = jinja.substr(at, last ? std::string_view::npos : open - at);
    if (strip_next) {
      while (!raw.empty() && is_blank(raw.front())) raw.remove_prefix(1);
    } else if (after_statement && raw.starts_with('\n')) {
      raw.remove_prefix(1);
      line_start = true;
    }
    if (last) {
      text(raw);
      break;
    }
    const char kind = jinja[open + 1];
    const std::string_view close = kind == '{' ? "}}" : kind == '%' ? "%}" : "#}";
    std::size_t begin = open + 2;
    const bool minus = begin < jinja.size() && jinja[begin] == '-';
    if (minus) {
      while (!raw.empty() && is_blank(raw.back())) raw.remove_suffix(1);
      ++begin;
    } else if (kind != '{') {
      const std::size_t line = raw.find_last_not_of(" \t");
      const bool blank = line == std::string_view::npos;
      if (blank ? line_start : raw[line] == '\n') raw = raw.substr(0, blank ? 0 : line + 1);
    }
    text(raw);
    // The end of the tag, strings left out.
    std::size_t end = begin;
    char quote = 0;
    while (end < jinja.size() && (quote != 0 || jinja.substr(end, 2) != close)) {
      const char c = jinja[end];
      if (kind != '#' && quote == 0 && (c == '\'' || c == '"')) {
        quote = c;
      } else if (quote != 0 && c == '\\') {
        ++end;
      } else if (c == quote) {
        quote = 0;
      }
      ++end;
    }
    end = std::min(end, jinja.size());
    std::string_view code = jinja.substr(begin, end - begin);
    strip_next = code.ends_with('-');
    if (strip_next) code.remove_suffix(1);
    after_statement = kind != '{';
    line_start = false;
    if (kind == '{') print(tokens_of(code));
    if (kind == '%') {
      std::vector<Token> tokens = tokens_of(code);
      dots_for_subscripts(tokens);
      step("do " + joined(tokens));
    }
    at = end + 2;
  }
  flush();
  return std::move(out_);
}

}  // namespace

std::string jinja_outline(std::string_view jinja) {
  return Outliner().take(jinja);
}

}  // namespace anemll::text
