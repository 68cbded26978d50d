// What a verification found, as text for people and as JSON.
#pragma once

#include "src/export/consumers.hpp"
#include "src/export/programs.hpp"
#include "src/quant/half_cast.hpp"
#include "src/snap/answers.hpp"
#include "src/snap/grid.hpp"
#include "src/snap/positive.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

/// The file as one consumer reads it, against the trained model.
struct ConsumerScore {
  Consumer consumer = Consumer::raw;
  std::optional<double> kd_loss;  ///< absent without a cache
  double weight_error = 0;        ///< ||W - W_trained|| / ||W_trained||, over all linears
  std::optional<double> kl;  ///< KL(trained || file), nats a token, whole vocabulary; absent without a cache
};

struct LayerFinding {
  std::string name;
  ScaleFacts facts;
  double weight_error = 0;  ///< of the consumer that is the gate
};

struct SnapReport {
  std::string checkpoint, layout;
  std::string file;  ///< empty: nothing was written
  bool half = true;
  std::uint64_t file_bytes = 0;
  CastCounts casts;
  std::int64_t samples = 0;  ///< sequences scored; 0: no loss was measured
  std::optional<double> trained_kd_loss;
  std::vector<ConsumerScore> scores;
  Consumer gate = Consumer::raw;  ///< whose score must hold
  double tolerance = 0;           ///< on the loss, or on the weight error when no loss was measured
  double kl_tolerance = 0;        ///< on the gate's KL, where it was measured
  std::vector<LayerFinding> layers;
  bool passed = false;
  std::vector<ProgramVerdict> programs;
  double bits_per_weight = 0;            ///< of the linears, as the packed file stores them
  std::int64_t grid_layers = 0;          ///< linears whose scales lie on an 8-bit grid
  bool packed = false;                   ///< the file is a packed one
  std::optional<GridCost> grid;          ///< the trained model of all figures is then the rounded one
  std::optional<PositiveCost> positive;  ///< the trained model of all figures is then the fitted one
  std::optional<SnapAnswers> answers;

  /// Of one reading.
  ReadingError error_of(Consumer consumer) const;

  std::int64_t scale_entries() const;
  std::int64_t negative_scales() const;
  double largest_factor() const;
  /// How far the gate's consumer is from the trained model, in the unit of `tolerance`; NaN when a loss is
  /// NaN.
  double gate_difference() const;
  /// The gate's KL to the trained model, where it was measured.
  std::optional<double> gate_kl() const;
};

std::string report_text(const SnapReport& report, bool with_layers);
std::string report_json(const SnapReport& report);

}  // namespace anemll
