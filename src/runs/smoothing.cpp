#include "src/runs/smoothing.hpp"

#include "anemll/core/error.hpp"

#include <cmath>
#include <cstdlib>
#include <deque>

namespace anemll {

Smoothing parse_smoothing(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool is_number = !text.empty() && *end == '\0' && std::isfinite(value);
  if (is_number && value >= 0 && value < 1) return {0, value};
  if (is_number && value >= 1 && value <= 1e9 && value == std::floor(value))
    return {static_cast<std::int64_t>(value), 0};
  throw_usage("'" + text + "' says not how much to smooth", "--smooth",
              "--smooth 20 is a mean over 20 points, --smooth 0.9 an exponential mean");
}

Series smoothed(const Series& series, const Smoothing& how) {
  if (how.none()) return series;
  Series result = series;
  std::deque<double> window;
  double sum = 0;
  double weight = 0;
  for (SeriesPoint& point : result) {
    if (!std::isfinite(point.value)) continue;
    if (how.points > 1) {
      window.push_back(point.value);
      if (window.size() > static_cast<std::size_t>(how.points)) window.pop_front();
      double total = 0;
      for (const double value : window) total += value;
      point.value = total / static_cast<double>(window.size());
    } else {
      sum = how.factor * sum + (1 - how.factor) * point.value;
      weight = how.factor * weight + (1 - how.factor);
      point.value = sum / weight;
    }
  }
  return result;
}

}  // namespace anemll
