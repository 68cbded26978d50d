// File name patterns: * and ? within a name, ** for any folders, [a-z] and [!a-z]. A leading dot is matched
// only by a dot. Links that lead nowhere are found too, so that they can be told. POSIX's own glob has no **.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace anemll::datasets {

/// Whether `text` has a character that makes it a pattern.
bool is_glob(std::string_view text);
/// One name against one part of a pattern.
bool matches(std::string_view pattern, std::string_view name);
/// Whether it is a link whose end is not there, or that leads round.
bool leads_nowhere(const std::filesystem::path& path);
/// The files (not folders) that match, sorted by path, and links that lead nowhere.
std::vector<std::filesystem::path> glob_files(const std::filesystem::path& pattern);

}  // namespace anemll::datasets
