#include "src/convert/internal/reduce_table.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/half.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <numeric>
#include <string>

namespace anemll {
namespace {

constexpr int kLloydRounds = 20;  // the reference's

struct Point {
  double value = 0, weight = 0;
};

/// Centres of the `k` clusters of ascending points with the least weighted squared distance. Clusters on a
/// line are runs of neighbours, so the best are found by dynamic programming over where each run begins.
std::vector<double> best_centres(const std::vector<Point>& points, std::size_t k) {
  const std::size_t n = points.size();
  std::vector<double> w(n + 1, 0), wx(n + 1, 0), wxx(n + 1, 0);
  for (std::size_t i = 0; i < n; ++i) {
    w[i + 1] = w[i] + points[i].weight;
    wx[i + 1] = wx[i] + points[i].weight * points[i].value;
    wxx[i + 1] = wxx[i] + points[i].weight * points[i].value * points[i].value;
  }
  const auto cost = [&](std::size_t begin, std::size_t end) {
    const double weight = w[end] - w[begin];
    if (weight <= 0) return 0.0;
    const double sum = wx[end] - wx[begin];
    return std::max(0.0, wxx[end] - wxx[begin] - sum * sum / weight);
  };
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  // least[c][i]: cost of the first i points in c clusters, none of them empty.
  std::vector<std::vector<double>> least(k + 1, std::vector<double>(n + 1, kInfinite));
  std::vector<std::vector<std::size_t>> begin(k + 1, std::vector<std::size_t>(n + 1, 0));
  least[0][0] = 0;
  for (std::size_t c = 1; c <= k; ++c) {
    for (std::size_t i = c; i <= n; ++i) {
      for (std::size_t j = c - 1; j < i; ++j) {
        const double total = least[c - 1][j] + cost(j, i);
        if (total >= least[c][i]) continue;
        least[c][i] = total;
        begin[c][i] = j;
      }
    }
  }
  std::vector<double> centres(k);
  std::size_t end = n;
  for (std::size_t c = k; c > 0; --c) {
    const std::size_t first = begin[c][end];
    const double weight = w[end] - w[first];
    if (weight > 0) {
      centres[c - 1] = (wx[end] - wx[first]) / weight;
    } else {  // no weight has these values: their middle
      double sum = 0;
      for (std::size_t i = first; i < end; ++i) sum += points[i].value;
      centres[c - 1] = sum / static_cast<double>(end - first);
    }
    end = first;
  }
  return centres;
}

bool ascending(const std::vector<float>& values) {
  return std::adjacent_find(values.begin(), values.end(), [](float a, float b) { return !(a < b); }) ==
         values.end();
}

/// As half where that keeps the values apart: what is exported is half.
std::vector<float> rounded(const std::vector<double>& centres) {
  std::vector<float> plain, halves;
  for (const double centre : centres) {
    plain.push_back(static_cast<float>(centre));
    halves.push_back(half_to_float(float_to_half(plain.back())));
  }
  return ascending(halves) ? halves : plain;
}

std::vector<float> weighted(std::span<const float> table, std::span<const double> importance,
                            std::size_t entries) {
  std::vector<Point> points;
  for (std::size_t i = 0; i < table.size(); ++i) points.push_back({table[i], importance[i]});
  return rounded(best_centres(points, entries));
}

std::vector<float> symmetric(std::span<const float> table, std::span<const double> importance,
                             std::size_t entries, const std::string& linear) {
  std::map<double, double> magnitudes;
  for (std::size_t i = 0; i < table.size(); ++i)
    magnitudes[std::abs(static_cast<double>(table[i]))] += importance[i];
  std::vector<Point> points;
  for (const auto& [value, weight] : magnitudes) points.push_back({value, weight});
  const std::size_t half = entries / 2;
  const auto refuse = [&](const std::string& why) {
    throw_usage("a symmetric table of " + std::to_string(entries) + " entries is not possible: " + why,
                linear, "use --lut-reduce weighted-kmeans");
  };
  if (entries % 2 != 0) refuse("the number is odd");
  if (points.size() < half) refuse("the old one has only " + std::to_string(points.size()) + " magnitudes");
  const std::vector<float> positive = rounded(best_centres(points, half));
  if (positive.front() <= 0) refuse("zero would be in it twice");
  std::vector<float> values;
  for (std::size_t i = half; i > 0; --i) values.push_back(-positive[i - 1]);
  values.insert(values.end(), positive.begin(), positive.end());
  return values;
}

/// In the arithmetic of the reference, float throughout.
std::vector<float> lloyd_of_entries(std::span<const float> table, std::size_t entries) {
  std::vector<float> centres(entries);
  for (std::size_t c = 0; c < entries; ++c) centres[c] = table[(c + 1) * (table.size() - 1) / (entries + 1)];
  for (int round = 0; round < kLloydRounds; ++round) {
    std::vector<float> sum(entries, 0);
    std::vector<int> count(entries, 0);
    for (const float value : table) {
      std::size_t nearest = 0;
      for (std::size_t c = 1; c < entries; ++c) {
        if (std::abs(value - centres[c]) < std::abs(value - centres[nearest])) nearest = c;
      }
      sum[nearest] += value;
      ++count[nearest];
    }
    for (std::size_t c = 0; c < entries; ++c) {
      if (count[c] > 0) centres[c] = sum[c] / static_cast<float>(count[c]);
    }
  }
  std::sort(centres.begin(), centres.end());
  return centres;
}

std::uint8_t nearest_entry(const std::vector<float>& values, float value) {
  std::size_t nearest = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (std::abs(value - values[i]) < std::abs(value - values[nearest])) nearest = i;
  }
  return static_cast<std::uint8_t>(nearest);
}

}  // namespace

ReducedTable reduce_table(std::span<const float> table, std::span<const double> importance,
                          std::int64_t entries, LutReduce how, const std::string& linear) {
  std::vector<double> counted(importance.begin(), importance.end());
  if (std::accumulate(counted.begin(), counted.end(), 0.0) <= 0) counted.assign(table.size(), 1.0);
  const auto k = static_cast<std::size_t>(entries);
  ReducedTable reduced;
  switch (how) {
    case LutReduce::weighted_kmeans:
      reduced.values = weighted(table, counted, k);
      break;
    case LutReduce::symmetric:
      reduced.values = symmetric(table, counted, k, linear);
      break;
    case LutReduce::kmeans_entries:
      reduced.values = lloyd_of_entries(table, k);
      break;
  }
  if (!ascending(reduced.values))
    throw_usage("the reduction to " + std::to_string(entries) + " entries gives a value twice", linear,
                "use --lut-reduce weighted-kmeans");
  for (const float value : table) reduced.entry_of.push_back(nearest_entry(reduced.values, value));
  return reduced;
}

}  // namespace anemll
