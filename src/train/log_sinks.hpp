// The three sinks that every run has: training_log.csv in the reference's columns, metrics.jsonl with
// everything, lines for people.
#pragma once

#include "src/train/metrics_sink.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

namespace anemll {

inline constexpr const char* kCsvFile = "training_log.csv";
inline constexpr const char* kMetricsFile = "metrics.jsonl";

/// With `mark` they go on with the files of `folder`, cut behind it; without they start anew. A log that
/// cannot be cut is a warning.
std::unique_ptr<MetricsSink> make_csv_sink(const std::filesystem::path& folder,
                                           const std::optional<LogMark>& mark);
std::unique_ptr<MetricsSink> make_jsonl_sink(const std::filesystem::path& folder,
                                             const std::optional<LogMark>& mark);
/// One line for each record, on stderr.
std::unique_ptr<MetricsSink> make_terminal_sink(std::int64_t max_steps);

}  // namespace anemll
