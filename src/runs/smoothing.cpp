#include "src/runs/smoothing.hpp"

#include "anemll/core/error.hpp"
#include "src/core/plain_numbers.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

namespace anemll {
namespace {

/// The mean of the last values. Nothing is subtracted, so that a huge value leaves no trace behind it: the
/// older part of the window has the sums from each of its values to its end, the newer part one sum.
class WindowMean {
 public:
  explicit WindowMean(std::int64_t points) : points_(static_cast<std::size_t>(points)) {}

  double add(double value) {
    newer_.push_back(value);
    sum_ += value;
    if (older_.size() + newer_.size() > points_) drop_oldest();
    const double all = (older_.empty() ? 0 : older_.back()) + sum_;
    return all / static_cast<double>(older_.size() + newer_.size());
  }

 private:
  void drop_oldest() {
    if (older_.empty()) {
      double sum = 0;
      for (; !newer_.empty(); newer_.pop_back()) older_.push_back(sum += newer_.back());
      sum_ = 0;
    }
    older_.pop_back();
  }

  std::size_t points_;
  std::vector<double> older_, newer_;
  double sum_ = 0;
};

}  // namespace

Smoothing parse_smoothing(const std::string& text) {
  char* end = nullptr;
  const double value = plain_strtod(text.c_str(), &end);
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
  WindowMean window(how.points);
  double sum = 0;
  double weight = 0;
  for (SeriesPoint& point : result) {
    if (!std::isfinite(point.value)) continue;
    if (how.points > 1) {
      point.value = window.add(point.value);
    } else {
      sum = how.factor * sum + (1 - how.factor) * point.value;
      weight = how.factor * weight + (1 - how.factor);
      point.value = sum / weight;
    }
  }
  return result;
}

}  // namespace anemll
