// Where values come from: config files, the environment, the command line. Each is checked and stored as it
// is read, so the caller's order is the precedence: the last source wins. Splitting the words and the lines
// is Boost.Program_options' work. Private to src/core; one thread.
#pragma once

#include "src/core/internal/option_spec.hpp"

#include <string>
#include <vector>

namespace anemll {

/// An option as it stands on the line; a positional argument has no name.
struct OptionWord {
  std::string name;
  std::string value;
};

/// Only names and shape are checked here, nothing is stored.
std::vector<OptionWord> parse_command_line(const TableSpec& table, const std::vector<std::string>& args);
void apply_command_line(TableSpec& table, const std::vector<OptionWord>& words);
void read_config_file(TableSpec& table, const std::string& path);
void read_environment(TableSpec& table);
/// Throws for the first required option that nobody gave.
void check_required(const TableSpec& table);

}  // namespace anemll
