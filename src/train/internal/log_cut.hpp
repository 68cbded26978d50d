// What of a run's logs belongs before a saved state. Rows go by their step; what a person wrote into a log
// stays.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace anemll {

/// How far the logs had come when a state was saved.
struct LogMark {
  std::int64_t step = 0;
  std::int64_t trained = 0;      ///< step of the last training row
  std::int64_t evaluated = 0;    ///< step of the last evaluation row, -1 before the first
  std::int64_t evaluations = 0;  ///< rows of that step
  bool finished = false;         ///< the closing summary of this step is there
};

/// training_log.csv without the rows behind the mark, in whatever order they stand. Lines that are no rows
/// (comments, a header with more columns) and cells after the fifth stay. A last line without an end is a
/// killed writer's and goes, unless it is a whole row before the mark or a comment. A header is put in front
/// when there is none. Empty stays empty.
std::string cut_csv(std::string_view text, const LogMark& mark);
/// metrics.jsonl the same way, by "kind" and "step".
std::string cut_metrics(std::string_view text, const LogMark& mark);

}  // namespace anemll
