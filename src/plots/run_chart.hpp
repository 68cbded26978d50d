// The chart of metrics of runs: a panel for each metric that was asked for, the runs over each other.
#pragma once

#include "src/plots/chart.hpp"
#include "src/runs/run_record.hpp"
#include "src/runs/smoothing.hpp"

#include <span>
#include <string>
#include <vector>

namespace anemll {

/// `wanted`: words as RunMetrics::matching takes them, a panel each. A usage error for one that no run has,
/// with the nearest that there is. A run that lacks a metric others have is told as a warning. Smoothed are
/// the curves of training steps, not those of evaluations.
Chart chart_of_runs(std::span<const RunRecord> runs, const std::vector<std::string>& wanted,
                    const Smoothing& smoothing);

/// "kl" in nats, "data_wait_s" in s: by the end of the name; empty where the name says nothing.
std::string unit_of_metric(const std::string& name);

/// The metrics of runs with their points, steps and last values, as a table for people.
std::string list_metrics(std::span<const RunRecord> runs);

}  // namespace anemll
