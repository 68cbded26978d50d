#include "src/plots/axis.hpp"

#include "anemll/core/log.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace anemll {
namespace {

/// 1, 2 or 5 times a power of ten that is not less than `least`.
double round_step(double least) {
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

/// "0.25", "1e-05", "20k" would need a legend: 20000.
std::string label_of(double value, double step) {
  if (value == 0) return "0";
  const double size = std::abs(value);
  if (size >= 1e6 || size < 1e-3) {
    std::string text = strf("%.3e", value);  // 1.000e-05
    const std::size_t e = text.find('e');
    std::size_t end = e;
    while (text[end - 1] == '0') --end;
    if (text[end - 1] == '.') --end;
    return text.substr(0, end) + text.substr(e);
  }
  const int digits = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 9);
  return strf("%.*f", digits, value);
}

}  // namespace

Axis::Axis(double low, double high, bool logarithmic) : low_(low), high_(high), log_(logarithmic) {
  // Means of equal numbers differ in their last digits, between which there is no tick.
  constexpr double kNoWidth = 1e-9;
  const double size = std::max(std::abs(low_), std::abs(high_));
  if (high_ - low_ > kNoWidth * size) return;
  if (log_) {
    low_ /= 2;
    high_ = low_ * 4;
  } else {
    const double half = size == 0 ? 0.5 : size * 0.05;
    low_ -= half;
    high_ += half;
  }
}

double Axis::place(double value) const {
  if (log_) return std::log(value / low_) / std::log(high_ / low_);
  return (value - low_) / (high_ - low_);
}

bool Axis::shows(double value) const {
  return std::isfinite(value) && (!log_ || value > 0);
}

std::vector<Axis::Tick> Axis::ticks(std::size_t wanted) const {
  std::vector<Tick> all;
  const auto count = static_cast<double>(std::max<std::size_t>(wanted, 1));
  if (log_ && std::log10(high_ / low_) >= 1) {
    const auto decades = static_cast<std::size_t>(std::ceil(std::log10(high_ / low_)));
    // Where there is room, also 2 and 5 times the powers of ten.
    const std::vector<double> factors =
        decades * 3 <= wanted ? std::vector<double>{1, 2, 5} : std::vector<double>{1};
    const int by = std::max(1, static_cast<int>(std::ceil(static_cast<double>(decades) / count)));
    const int first = static_cast<int>(std::floor(std::log10(low_)));
    for (int power = first; std::pow(10.0, power) <= high_ * (1 + 1e-9); power += by) {
      for (const double factor : factors) {
        const double value = factor * std::pow(10.0, power);
        if (value >= low_ * (1 - 1e-9) && value <= high_ * (1 + 1e-9))
          all.push_back({value, label_of(value, value)});
      }
    }
    return all;
  }
  const double step = round_step((high_ - low_) / count);
  for (double at = std::ceil(low_ / step - 1e-9); at * step <= high_ + step * 1e-9; ++at)
    all.push_back({at * step, label_of(at * step, step)});
  return all;
}

Axis axis_of(const std::vector<double>& values, bool logarithmic) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const double value : values) {
    if (!std::isfinite(value) || (logarithmic && !(value > 0))) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) return {logarithmic ? 0.1 : 0, 1, logarithmic};
  return {low, high, logarithmic};
}

}  // namespace anemll
