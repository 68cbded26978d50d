// An axis of a chart: which part of the numbers it shows, where a value lies on it, and its marks.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace anemll {

class Axis {
 public:
  /// Covers `low` to `high`. A range without width is widened; a logarithmic one needs low > 0.
  Axis(double low, double high, bool logarithmic);

  /// 0 at the low end, 1 at the high one.
  double place(double value) const;
  bool shows(double value) const;
  struct Tick {
    double value;
    std::string label;
  };
  /// Round numbers on the axis, about `wanted` of them, with as many digits as they need to differ.
  std::vector<Tick> ticks(std::size_t wanted) const;

 private:
  double low_, high_;
  bool log_;
};

/// The axis that shows all values of the list that it can; nothing finite: 0 to 1.
Axis axis_of(const std::vector<double>& values, bool logarithmic);

}  // namespace anemll
