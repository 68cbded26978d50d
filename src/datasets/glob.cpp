#include "src/datasets/internal/glob.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <system_error>

namespace anemll::datasets {
namespace {

namespace fs = std::filesystem;
constexpr int kMaxDepth = 64;  // a chain of links that lead round is no reason to go on for ever

/// The class at the front of `pattern`, which starts behind '[': whether it holds `c`, and its length with
/// ']'. Nothing when it is never closed: then '[' is a plain character.
struct ClassMatch {
  bool holds = false;
  std::size_t length = 0;
};
std::optional<ClassMatch> match_class(std::string_view pattern, char c) {
  std::size_t i = 0;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool holds = false;
  for (const std::size_t first = i; i < pattern.size(); ++i) {
    if (pattern[i] == ']' && i != first) return ClassMatch{holds != negated, i + 1};
    const char low = pattern[i];
    char high = low;
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      high = pattern[i + 2];
      i += 2;
    }
    holds = holds || (low <= c && c <= high);
  }
  return std::nullopt;
}

class Walk {
 public:
  explicit Walk(std::vector<std::string> parts) : parts_(std::move(parts)) {}

  void descend(const fs::path& folder, std::size_t part, int depth) {
    if (depth > kMaxDepth) return;
    const std::string& pattern = parts_[part];
    const bool last = part + 1 == parts_.size();
    if (pattern == "**") {
      if (!last) descend(folder, part + 1, depth);  // no folder at all
      each(folder, [&](const fs::path& entry, bool is_folder) {
        if (entry.filename().string().starts_with('.')) return;
        if (is_folder && !fs::is_symlink(entry)) descend(entry, part, depth + 1);
        if (!is_folder && last) found_.insert(entry);
      });
      return;
    }
    if (!is_glob(pattern)) {
      std::error_code ignored;
      const fs::path entry = folder / pattern;
      if (last && (fs::is_regular_file(entry, ignored) || leads_nowhere(entry))) found_.insert(entry);
      if (!last && fs::is_directory(entry, ignored)) descend(entry, part + 1, depth + 1);
      return;
    }
    each(folder, [&](const fs::path& entry, bool is_folder) {
      if (!matches(pattern, entry.filename().string())) return;
      if (last && !is_folder) found_.insert(entry);
      if (!last && is_folder) descend(entry, part + 1, depth + 1);
    });
  }
  std::vector<fs::path> found() const { return {found_.begin(), found_.end()}; }

 private:
  template <typename Visit>
  static void each(const fs::path& folder, Visit&& visit) {
    std::error_code ignored;
    const fs::path where = folder.empty() ? fs::path(".") : folder;
    for (fs::directory_iterator it(where, ignored), end; !ignored && it != end; it.increment(ignored)) {
      const fs::path entry = folder / it->path().filename();
      std::error_code gone;
      if (fs::is_directory(entry, gone)) {
        visit(entry, true);
      } else if (fs::is_regular_file(entry, gone) || leads_nowhere(entry)) {
        visit(entry, false);
      }
    }
  }

  std::vector<std::string> parts_;
  std::set<fs::path> found_;  // ** may reach a file by two ways
};

}  // namespace

bool is_glob(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

bool leads_nowhere(const fs::path& path) {
  std::error_code why;
  // A target that cannot be looked at for lack of rights may well be there.
  return fs::is_symlink(path, why) && !fs::exists(path, why) &&
         (!why || why == std::errc::too_many_symbolic_link_levels);
}

bool matches(std::string_view pattern, std::string_view name) {
  if (name.starts_with('.') && !pattern.starts_with('.')) return false;
  std::size_t p = 0;
  std::size_t n = 0;
  // Where to go on when what follows the last star does not match: one more character for the star.
  std::size_t star = std::string_view::npos;
  std::size_t star_name = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_name = n;
      continue;
    }
    std::size_t step = 0;
    if (p < pattern.size() && pattern[p] == '[') {
      const auto set = match_class(pattern.substr(p + 1), name[n]);
      if (set && set->holds) step = 1 + set->length;
      if (!set && name[n] == '[') step = 1;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      step = 1;
    }
    if (step != 0) {
      p += step;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star;
      n = ++star_name;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<fs::path> glob_files(const fs::path& pattern) {
  std::vector<std::string> parts;
  for (const fs::path& part : pattern.relative_path())
    if (!part.empty()) parts.push_back(part.string());
  if (parts.empty()) return {};
  Walk walk(parts);
  walk.descend(pattern.root_path(), 0, 0);
  return walk.found();
}

}  // namespace anemll::datasets
