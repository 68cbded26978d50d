// The three sinks that every run has: training_log.csv in the reference's columns, metrics.jsonl with
// everything, lines for people.
#pragma once

#include "src/train/internal/metrics_sink.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>

namespace anemll {

inline constexpr const char* kCsvFile = "training_log.csv";
inline constexpr const char* kMetricsFile = "metrics.jsonl";

/// They write behind what is in the files of `folder`. When a run goes on, they cut the files behind the
/// mark; a log that cannot be cut is a warning.
std::unique_ptr<MetricsSink> make_csv_sink(const std::filesystem::path& folder);
std::unique_ptr<MetricsSink> make_jsonl_sink(const std::filesystem::path& folder);
/// One line for each record, on stderr.
std::unique_ptr<MetricsSink> make_terminal_sink(std::int64_t max_steps);

}  // namespace anemll
