// The sinks for W&B (--wandb) and TensorBoard (--tensorboard): the events of a run under the names of the
// Python reference.
#pragma once

#include "anemll/train/train_options.hpp"
#include "src/tracking/metric.hpp"
#include "src/train/internal/metrics_sink.hpp"

#include <memory>
#include <string>
#include <vector>

namespace anemll {

/// The sinks that the options ask for. `config`: the options as a JSON object, for people who compare runs.
std::vector<std::unique_ptr<MetricsSink>> make_tracking_sinks(const TrainOptions& options,
                                                              const std::string& config);

// What the sinks tell of an event.
std::vector<Metric> metrics_of(const TrainRecord& record, bool annealing);
std::vector<Metric> metrics_of(const EvaluationRecord& record);
std::vector<Metric> metrics_of(const LayersRecord& record);
/// Of the closing figures, a JSON object.
std::vector<Metric> summary_metrics(const std::string& json);
/// The options under the names that Python code would use: batch_size; what is not set is left out.
std::string tracked_config(const std::string& options_json);

}  // namespace anemll
