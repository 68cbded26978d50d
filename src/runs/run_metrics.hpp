// What a run told step by step, as series: the name of a metric, and its value at each step.
//
// Names are KIND/KEY: train/loss, eval/loss, eval/holdout_kl, as in W&B and TensorBoard. What a row tells of
// several layers or sources has the name of each in the middle:
// layers/model.layers.0.mlp.up_proj/output_error.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anemll {

struct SeriesPoint {
  std::int64_t step = 0;
  double value = 0;  ///< NaN where the run told that it was no finite number
};

/// Sorted by step, each step once.
using Series = std::vector<SeriesPoint>;

class RunMetrics {
 public:
  using Row = std::vector<std::pair<std::string, double>>;  ///< names without the kind

  /// A row of the log, in the order of the log. Of two rows of one kind and step the later counts. A row that
  /// goes back behind the one before it is that of a run that went on from an earlier state: what was told of
  /// later steps is dropped.
  void add(const std::string& kind, std::int64_t step, const Row& row);

  bool empty() const { return series_.empty(); }
  /// In the order in which they came up.
  const std::vector<std::string>& names() const { return names_; }
  bool has(const std::string& name) const { return series_.contains(name); }
  /// Empty for a metric that the run has not.
  Series series(const std::string& name) const;
  std::optional<SeriesPoint> last(const std::string& name) const;

  /// The metrics that a word of a person means: a whole name; a key without its kind (`loss` is train/loss
  /// and eval/loss); a name with * for any text.
  std::vector<std::string> matching(std::string_view wanted) const;

 private:
  void drop_from(std::int64_t step);

  std::vector<std::string> names_;
  std::map<std::string, std::map<std::int64_t, double>> series_;
  std::map<std::string, std::int64_t> last_;  // step of the last row of a kind
};

}  // namespace anemll
