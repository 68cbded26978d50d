// What is measured of one linear of a student, and the one table of columns that says how each figure is
// called, computed and told.
#pragma once

#include "src/inspect/error_sums.hpp"
#include "src/inspect/figure.hpp"
#include "src/quant/layer.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Float values against what FP16 holds.
struct HalfRange {
  double largest = 0;        ///< magnitude
  std::int64_t beyond = 0;   ///< would become infinite
  std::int64_t flushed = 0;  ///< not zero, and zero in FP16
};

/// Frobenius norms. Nothing where a layer has no such tensor, or it no gradient.
struct FactorNorms {
  std::optional<double> value, gradient;
};

struct LayerStatistics {
  std::string name;  ///< "model.layers.0.self_attn.q_proj"
  std::int64_t out = 0, in = 0;
  LinearQuant quant;
  ErrorSums weight;                       ///< effective weight against the model's own
  std::optional<ErrorSums> output;        ///< on the inputs that the unquantised model gives it
  std::vector<std::int64_t> histogram;    ///< weights by index; empty for a layer without indices
  std::optional<double> negative_scales;  ///< share of the entries of the scale matrix
  HalfRange half;                         ///< of all floats of the layer's table, as they are stored
  FactorNorms a, b, g;                    ///< scale_A, scale_B, rank_magnitude

  /// Entries of the table that some weight uses.
  std::int64_t entries_used() const;
};

std::span<const Column<LayerStatistics>> layer_columns();

/// `weight`: the float weight that the layer stands for, [out, in], any float type. The .grad of the layer's
/// tensors, where there is one, counts times `gradient_scale`. `output` is left to the caller. Figures that
/// need a scale matrix or indices are absent for layer types that have no tensors of these names.
LayerStatistics layer_statistics(QuantLayer& layer, const at::Tensor& weight, double gradient_scale);

/// The largest relative error of the output first, of the weight where no output was measured. NaN counts as
/// the largest.
void sort_worst_first(std::vector<LayerStatistics>& layers);

}  // namespace anemll
