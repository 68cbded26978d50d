#include "src/runs/run_metrics.hpp"

#include <cstddef>
#include <iterator>

namespace anemll {
namespace {

/// `*` stands for any text, also an empty one.
bool fits(std::string_view pattern, std::string_view text) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (std::size_t at = star; at <= text.size(); ++at) {
    if (fits(rest, text.substr(at))) return true;
  }
  return false;
}

/// Whether the text behind the kind is `key`.
bool has_key(std::string_view name, std::string_view key) {
  const std::size_t slash = name.find('/');
  return slash != std::string_view::npos && fits(key, name.substr(slash + 1));
}

}  // namespace

void RunMetrics::drop_from(std::int64_t step) {
  for (auto each = series_.begin(); each != series_.end();) {
    auto& values = each->second;
    values.erase(values.lower_bound(step), values.end());
    each = values.empty() ? series_.erase(each) : std::next(each);
  }
  std::erase_if(names_, [this](const std::string& name) { return !series_.contains(name); });
  for (auto& [kind, last] : last_) last = last < step ? last : step - 1;
}

void RunMetrics::add(const std::string& kind, std::int64_t step, const Row& row) {
  const auto before = last_.find(kind);
  if (before != last_.end() && step < before->second) drop_from(step);
  last_[kind] = step;
  for (const auto& [key, value] : row) {
    const std::string name = kind + '/' + key;
    auto& values = series_[name];
    if (values.empty()) names_.push_back(name);
    values[step] = value;
  }
}

Series RunMetrics::series(const std::string& name) const {
  Series all;
  const auto found = series_.find(name);
  if (found == series_.end()) return all;
  all.reserve(found->second.size());
  for (const auto& [step, value] : found->second) all.push_back({step, value});
  return all;
}

std::optional<SeriesPoint> RunMetrics::last(const std::string& name) const {
  const auto found = series_.find(name);
  if (found == series_.end()) return std::nullopt;
  const auto& [step, value] = *found->second.rbegin();
  return SeriesPoint{step, value};
}

std::vector<std::string> RunMetrics::matching(std::string_view wanted) const {
  if (has(std::string(wanted))) return {std::string(wanted)};
  std::vector<std::string> found;
  for (const std::string& name : names_) {
    if (fits(wanted, name) || has_key(name, wanted)) found.push_back(name);
  }
  return found;
}

}  // namespace anemll
