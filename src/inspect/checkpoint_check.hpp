// The health of a checkpoint's tensors, as the reference's check_checkpoint looks at it: numbers that are
// none, magnitudes that FP16 cannot hold, tables and indices that belong together. Needs no model and no
// config.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/inspect/figure.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Magnitudes above are a risk in FP16, whose largest number is 65504.
inline constexpr double kOverflowRisk = 65000;
/// `_Q` and lut[_indices] may differ by this much.
inline constexpr double kLookupTolerance = 1e-3;

struct TensorCheck {
  std::string name;
  std::string part;   ///< scale, magnitude, Q, lut, index, other
  std::string dtype;  ///< "float32[3, 4]"
  std::int64_t values = 0, nan = 0, infinite = 0;
  std::int64_t at_risk = 0;  ///< finite floats beyond kOverflowRisk
  double largest = 0;        ///< magnitude among the finite values
};
std::span<const Column<TensorCheck>> tensor_check_columns();

/// A layer that has `_Q`, `_indices` and `lut`.
struct LookupCheck {
  std::string layer;
  double largest_difference = 0;  ///< infinite where shapes or indices do not fit the table
  bool agrees() const { return largest_difference <= kLookupTolerance; }
};
std::span<const Column<LookupCheck>> lookup_check_columns();

/// A layer whose table is trained as logits (`_lut_raw_deltas`): the table that these mean.
struct LogitCheck {
  std::string layer;
  double largest_difference = 0;  ///< from the stored lut, whose last entry gives the largest magnitude
  bool ascending = false;         ///< strictly, as FP16
  bool without_zero = false;      ///< as FP16
};
std::span<const Column<LogitCheck>> logit_check_columns();

struct CheckpointCheck {
  std::vector<TensorCheck> tensors;  ///< in file order
  std::vector<LookupCheck> lookups;
  std::vector<LogitCheck> logits;

  std::int64_t not_finite() const;  ///< tensors with NaN or infinite values
  std::int64_t at_risk() const;     ///< tensors with values beyond kOverflowRisk
  /// Of this part, the largest magnitudes first; at most `count` of them, 0: all.
  std::vector<TensorCheck> largest(const std::string& part, std::int64_t count) const;
  /// The parts that some tensor has, in the order of the table.
  std::vector<std::string> parts() const;
};

/// Reads every value. `before` is called before each tensor with its place.
CheckpointCheck check_tensors(const TensorMap& file, const std::function<void(std::int64_t)>& before = {});

/// The symmetric table that `raw` [n / 2] stands for: steps by the softmax of the logits, none below the
/// reference's smallest step, cumulated to `largest`, mirrored, rounded to half. Float [n].
at::Tensor lut_of_logits(const at::Tensor& raw, double largest);

}  // namespace anemll
