#include "src/inspect/layer_statistics.hpp"

#include "anemll/core/half.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <string_view>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/mm.h>

namespace anemll {
namespace {

using L = LayerStatistics;

/// The layer's tensor of this suffix; undefined where its type has none.
at::Tensor tensor_of(QuantLayer& layer, std::string_view suffix) {
  for (const LayerTensor& tensor : layer.tensor_table()) {
    if (tensor.row.suffix == suffix) return *tensor.slot;
  }
  return {};
}

std::vector<std::int64_t> histogram_of(QuantLayer& layer) {
  const at::Tensor stored = tensor_of(layer, "._indices");
  const at::Tensor indices = stored.defined() ? stored : layer.snap_indices();  // V1's follow from its weight
  if (!indices.defined()) return {};
  const at::Tensor counts =
      at::bincount(indices.cpu().flatten().to(at::kLong), {}, layer.quant().lut_size).contiguous();
  const auto* first = counts.const_data_ptr<std::int64_t>();
  return {first, first + counts.numel()};
}

/// S = A B of the layer with its scales multiplied out; undefined where it has no such tensors.
at::Tensor scales_of(QuantLayer& layer) {
  const at::Tensor full = tensor_of(layer, ".full_scales");
  if (full.defined()) return full.narrow(1, 0, layer.in());
  if (!tensor_of(layer, ".scale_A").defined() || !tensor_of(layer, ".scale_B").defined()) return {};
  // V1's factors have no magnitudes, and what it calls baked is another weight.
  const bool plain = layer.quant().type == "v1";
  const std::unique_ptr<QuantLayer> baked = plain ? nullptr : layer.baked(false);
  QuantLayer& holder = plain ? layer : *baked;
  const at::Tensor a = tensor_of(holder, ".scale_A");
  const at::Tensor b = tensor_of(holder, ".scale_B");
  if (!a.defined() || !b.defined() || a.dim() != 2 || b.dim() != 2) return {};
  return at::mm(a, b.narrow(1, 0, layer.in()));  // V1's are padded to whole groups
}

std::optional<double> negative_share(QuantLayer& layer) {
  const at::Tensor scales = scales_of(layer);
  if (!scales.defined()) return std::nullopt;
  return scales.lt(0).sum().item<double>() / static_cast<double>(scales.numel());
}

void add_range(HalfRange& range, const at::Tensor& values) {
  if (values.numel() == 0) return;
  const at::Tensor half = values.to(at::kHalf);
  range.largest = std::max(range.largest, values.abs().max().item<double>());
  range.beyond += half.isinf().logical_and(values.isinf().logical_not()).sum().item<std::int64_t>();
  range.flushed += half.eq(0).logical_and(values.ne(0)).sum().item<std::int64_t>();
}

FactorNorms norms_of(QuantLayer& layer, std::string_view suffix, double gradient_scale) {
  const at::Tensor tensor = tensor_of(layer, suffix);
  FactorNorms norms;
  if (!tensor.defined()) return norms;
  norms.value = tensor.to(at::kDouble).norm().item<double>();
  if (tensor.grad().defined())
    norms.gradient = tensor.grad().to(at::kDouble).norm().item<double>() * gradient_scale;
  return norms;
}

Figure known(const std::optional<double>& value) {
  return value ? Figure(*value) : Figure();
}

Figure of_output(const L& layer, double (ErrorSums::*figure)() const) {
  return layer.output ? Figure(((*layer.output).*figure)()) : Figure();
}

constexpr std::string_view kErrors = "errors";
constexpr std::string_view kValues = "indices, scales, range";
constexpr std::string_view kNorms = "norms of factors and gradients";
constexpr std::string_view kNoTable = "";

constexpr auto kColumns = std::to_array<Column<L>>({
    {kNoTable, "layer", "", "name of the linear", Shown::text, [](const L& l) { return Figure(l.name); }},
    {kNoTable, "out", "", "rows of its weight", Shown::number, [](const L& l) { return Figure(l.out); }},
    {kNoTable, "in", "", "columns of its weight", Shown::number, [](const L& l) { return Figure(l.in); }},
    {kErrors, "lut", "entries", "size of its table", Shown::number,
     [](const L& l) { return Figure(l.quant.lut_size); }},
    {kErrors, "rank", "", "rank of its scales", Shown::number,
     [](const L& l) { return Figure(l.quant.rank); }},
    {kErrors, "output_error", "",
     "||y - y'|| / ||y||, y = W x and y' of the layer, x of the unquantised model", Shown::number,
     [](const L& l) { return of_output(l, &ErrorSums::relative); }},
    {kErrors, "output_mae", "", "mean of |y - y'|", Shown::number,
     [](const L& l) { return of_output(l, &ErrorSums::mean_absolute); }},
    {kErrors, "output_rmse", "", "root of the mean of (y - y')^2", Shown::number,
     [](const L& l) { return of_output(l, &ErrorSums::root_mean_square); }},
    {kErrors, "weight_error", "", "||W - W'|| / ||W||, W' the weight that the layer multiplies with",
     Shown::number, [](const L& l) { return Figure(l.weight.relative()); }},
    {kErrors, "weight_mae", "", "mean of |W - W'|", Shown::number,
     [](const L& l) { return Figure(l.weight.mean_absolute()); }},
    {kErrors, "weight_rmse", "", "root of the mean of (W - W')^2", Shown::number,
     [](const L& l) { return Figure(l.weight.root_mean_square()); }},
    {kValues, "indices", "weights", "how many weights have each index, the lowest entry of the table first",
     Shown::bars, [](const L& l) { return l.histogram.empty() ? Figure() : Figure(l.histogram); }},
    {kValues, "entries_used", "entries", "entries of the table that some weight has", Shown::number,
     [](const L& l) { return l.histogram.empty() ? Figure() : Figure(l.entries_used()); }},
    {kValues, "negative_scales", "share", "entries of S = (A_dir g) B_dir, in V1 of A B, below 0",
     Shown::percent, [](const L& l) { return known(l.negative_scales); }},
    {kValues, "largest", "", "largest magnitude among the floats of the layer", Shown::number,
     [](const L& l) { return Figure(l.half.largest); }},
    {kValues, "half_range", "share", "the same over 65504, the largest number of FP16", Shown::percent,
     [](const L& l) { return Figure(l.half.largest / static_cast<double>(kHalfMax)); }},
    {kValues, "half_beyond", "values", "floats that become infinite in FP16", Shown::number,
     [](const L& l) { return Figure(l.half.beyond); }},
    {kValues, "half_flushed", "values", "floats that are not zero and become zero in FP16", Shown::number,
     [](const L& l) { return Figure(l.half.flushed); }},
    {kNorms, "norm_a", "", "||scale_A|| as stored", Shown::number,
     [](const L& l) { return known(l.a.value); }},
    {kNorms, "norm_b", "", "||scale_B|| as stored", Shown::number,
     [](const L& l) { return known(l.b.value); }},
    {kNorms, "norm_g", "", "||rank_magnitude|| as stored", Shown::number,
     [](const L& l) { return known(l.g.value); }},
    {kNorms, "gradient_a", "", "norm of the gradient of the mean loss of a token, of scale_A", Shown::number,
     [](const L& l) { return known(l.a.gradient); }},
    {kNorms, "gradient_b", "", "the same of scale_B", Shown::number,
     [](const L& l) { return known(l.b.gradient); }},
    {kNorms, "gradient_g", "", "the same of rank_magnitude", Shown::number,
     [](const L& l) { return known(l.g.gradient); }},
});

}  // namespace

std::int64_t LayerStatistics::entries_used() const {
  return std::count_if(histogram.begin(), histogram.end(), [](std::int64_t n) { return n > 0; });
}

std::span<const Column<LayerStatistics>> layer_columns() {
  return kColumns;
}

LayerStatistics layer_statistics(QuantLayer& layer, const at::Tensor& weight, double gradient_scale) {
  const at::NoGradGuard no_grad;
  LayerStatistics found;
  found.name = layer.name();
  found.out = layer.out();
  found.in = layer.in();
  found.quant = layer.quant();
  found.weight.add(layer.effective_weight(at::kFloat).cpu(), weight.cpu());
  found.histogram = histogram_of(layer);
  found.negative_scales = negative_share(layer);
  for (const LayerTensor& tensor : layer.tensor_table()) {
    if (tensor.slot->defined() && tensor.slot->is_floating_point()) add_range(found.half, *tensor.slot);
  }
  found.a = norms_of(layer, ".scale_A", gradient_scale);
  found.b = norms_of(layer, ".scale_B", gradient_scale);
  found.g = norms_of(layer, ".rank_magnitude", gradient_scale);
  return found;
}

void sort_worst_first(std::vector<LayerStatistics>& layers) {
  const auto error = [](const LayerStatistics& layer) {
    const double relative = layer.output ? layer.output->relative() : layer.weight.relative();
    return std::isnan(relative) ? std::numeric_limits<double>::infinity() : relative;
  };
  std::stable_sort(
      layers.begin(), layers.end(),
      [&error](const LayerStatistics& a, const LayerStatistics& b) { return error(a) > error(b); });
}

}  // namespace anemll
