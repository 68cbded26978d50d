// The text of a value as people write it: lines of a config file with quotes and comments, byte order marks,
// the home folder, and characters that no value has. Private to src/core; no options here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace anemll {

/// One line "name = value" of a config file.
struct ConfigLine {
  std::string name;
  std::string value;  ///< without quotes and comment
};

/// A config file's bytes as text: without a UTF-8 byte order mark. A usage error when it is UTF-16, has NUL
/// bytes or is not UTF-8.
std::string config_text(std::string bytes, const std::string& path);

/// Nothing for a blank line or a comment. `#` starts a comment at the start of the line and after white
/// space, not within quotes. A value may stand in 'single' quotes, which take everything literally, or in
/// "double" quotes, where \" and \\ stand for the character. Usage errors name `place` and quote the line.
std::optional<ConfigLine> parse_config_line(std::string_view line, const std::string& place);

/// `value` so that parse_config_line gives it back: in quotes where it needs them.
std::string config_quoted(const std::string& value);

/// `~` and `~/x` by HOME, else by the user's entry; `~name/x` by that user's. Nothing when there is no such
/// user. Other texts come back as they are.
std::optional<std::string> expand_home(const std::string& path);

bool valid_utf8(std::string_view text);
/// Why no option may have this value: not UTF-8, a control character. Empty when it may.
std::string unfit_for_a_value(std::string_view text);
/// Why no path option may have it: empty, white space at an end, quotes that the shell left. Empty when it
/// may.
std::string unfit_for_a_path(std::string_view text);

}  // namespace anemll
