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

/// The numbers of the closing figures, a JSON object: summary/KEY, in an object of it summary/KEY/PART.
std::vector<Metric> summary_metrics(const std::string& json);

}  // namespace anemll
