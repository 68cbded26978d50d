// The figures of a run's events, said once: as a line of metrics.jsonl, and as numbers with names for W&B and
// TensorBoard. What one has the other has.
#pragma once

#include "src/core/metrics_log.hpp"
#include "src/tracking/metric.hpp"
#include "src/train/internal/metrics_sink.hpp"

#include <vector>

namespace anemll {

// The lines of metrics.jsonl, with everything.
JsonLine json_of(const TrainRecord& record);
JsonLine json_of(const EvaluationRecord& record);
JsonLine json_of(const LayersRecord& record);

// All numbers of these lines. The name is KIND/KEY, and KIND/LIST/ROW/KEY in a list of rows; names of the
// Python reference are kept. Texts and lists of numbers are left out.
/// `annealing`: the weight of the hard label changes in this run; else it is no curve.
std::vector<Metric> metrics_of(const TrainRecord& record, bool annealing);
/// eval/best_loss is the best before this evaluation, as in the reference: absent at the start. The lowest
/// with this one is eval/lowest_loss.
std::vector<Metric> metrics_of(const EvaluationRecord& record);
std::vector<Metric> metrics_of(const LayersRecord& record);

}  // namespace anemll
