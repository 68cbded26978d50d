// See value_text.hpp. The rules are those of git's and Python's readers where these agree.
#include "src/core/internal/value_text.hpp"

#include "anemll/core/error.hpp"
#include "src/core/printable.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <pwd.h>
#include <unistd.h>

namespace anemll {
namespace {

constexpr std::string_view kBlank = " \t";
// Quotes that word processors and web pages put in the place of ' and ".
constexpr std::array<std::string_view, 6> kTypographic = {"\xe2\x80\x9c", "\xe2\x80\x9d", "\xe2\x80\x9e",
                                                          "\xe2\x80\x98", "\xe2\x80\x99", "\xc2\xab"};

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// Where an unquoted text ends: at a '#' that begins it or follows white space.
std::size_t comment_start(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '#' && (i == 0 || kBlank.find(text[i - 1]) != std::string_view::npos)) return i;
  }
  return text.size();
}

struct Quoted {
  std::string value;
  std::string_view rest;  // behind the closing quote
};

/// `text` begins with a quote. Nothing when it is never closed.
std::optional<Quoted> unquote(std::string_view text) {
  const char quote = text.front();
  Quoted out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    if (c == quote) {
      out.rest = text.substr(i + 1);
      return out;
    }
    const bool escape =
        quote == '"' && c == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\');
    out.value += escape ? text[++i] : c;
  }
  return std::nullopt;
}

std::string home_of(const std::string& user) {
  if (user.empty()) {
    if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return home;
  }
  const passwd* entry = user.empty() ? ::getpwuid(::getuid()) : ::getpwnam(user.c_str());
  return entry == nullptr || entry->pw_dir == nullptr ? "" : entry->pw_dir;
}

}  // namespace

std::string config_text(std::string bytes, const std::string& path) {
  const std::string hint = "save it as UTF-8 text, one name = value a line";
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.erase(0, 3);
  if (bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff"))
    throw_usage("the config file is UTF-16", path, hint);
  if (bytes.find('\0') != std::string::npos) throw_usage("the config file is not text", path, hint);
  if (!valid_utf8(bytes)) throw_usage("the config file is not UTF-8", path, hint);
  return bytes;
}

std::optional<ConfigLine> parse_config_line(std::string_view line, const std::string& place) {
  const std::string whole(line);
  const std::string_view content = trimmed(line);
  if (content.empty() || content.front() == '#') return std::nullopt;
  if (content.front() == '[') {
    throw_usage("sections are not supported", place, "write the flag names plainly; a comment starts with #");
  }
  const std::size_t equals = content.find('=');
  const std::string_view name = trimmed(content.substr(0, std::min(equals, content.size())));
  if (equals == std::string_view::npos || name.empty() || comment_start(name) != name.size()) {
    throw_usage("not a line of the form name = value: '" + whole + "'", place, "comments start with #");
  }
  ConfigLine out;
  out.name = name;
  const std::string_view text = trimmed(content.substr(equals + 1));
  if (text.empty()) return out;
  for (const std::string_view quote : kTypographic) {
    if (text.starts_with(quote)) {
      throw_usage("typographic quotes: '" + whole + "'", place, "use ' or \", or no quotes at all");
    }
  }
  if (text.front() != '"' && text.front() != '\'') {
    out.value = trimmed(text.substr(0, comment_start(text)));
    return out;
  }
  const std::optional<Quoted> quoted = unquote(text);
  if (!quoted) {
    throw_usage("the quote is never closed: '" + whole + "'", place,
                "close it, or put a value that begins with a quote into quotes of the other kind");
  }
  const std::string_view rest = trimmed(quoted->rest);
  if (!rest.empty() && (rest.front() != '#' || rest.data() == quoted->rest.data())) {
    throw_usage("text follows the closing quote: '" + whole + "'", place,
                "put the whole value into quotes; a comment starts with white space and #");
  }
  out.value = quoted->value;
  return out;
}

std::string config_quoted(const std::string& value) {
  const bool plain = trimmed(value).size() == value.size() && comment_start(value) == value.size() &&
                     (value.empty() || (value.front() != '"' && value.front() != '\''));
  const bool typographic = std::any_of(kTypographic.begin(), kTypographic.end(),
                                       [&](std::string_view quote) { return value.starts_with(quote); });
  if (plain && !typographic) return value;
  if (value.find('\'') == std::string::npos) return "'" + value + "'";
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::optional<std::string> expand_home(const std::string& path) {
  if (path.empty() || path.front() != '~') return path;
  const std::size_t slash = std::min(path.find('/'), path.size());
  const std::string home = home_of(path.substr(1, slash - 1));
  if (home.empty()) return std::nullopt;
  return home + path.substr(slash);
}

bool valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string unfit_for_a_value(std::string_view text) {
  if (!valid_utf8(text)) return "is not UTF-8, and what a run writes about itself is";
  const auto control = std::find_if(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
  if (control == text.end()) return {};
  return *control == '\r' ? "ends in a carriage return: the script has the line ends of Windows"
                          : "has a control character";
}

std::string unfit_for_a_path(std::string_view text) {
  if (text.empty()) return "is empty: a variable of the shell may not be set";
  if (trimmed(text).size() != text.size()) return "has white space at an end";
  const char first = text.front();
  if (text.size() > 1 && (first == '"' || first == '\'') && text.back() == first)
    return "has quotes that the shell did not take away";
  return {};
}

}  // namespace anemll
