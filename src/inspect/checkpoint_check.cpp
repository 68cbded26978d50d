#include "src/inspect/checkpoint_check.hpp"

#include "src/inspect/internal/value_chunks.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>
#include <string_view>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

namespace anemll {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kSmallestStep = 1e-4;  // of the reference's trained tables
constexpr double kSmallLut = 0.1;       // a stored table below that says nothing: the reference takes 2
constexpr double kUsualLut = 2.0;

struct Part {
  std::string_view suffix, name;
};
constexpr auto kParts = std::to_array<Part>({{".scale_A", "scale"},
                                             {".scale_B", "scale"},
                                             {".full_scales", "scale"},
                                             {".rank_magnitude", "magnitude"},
                                             {"._Q", "Q"},
                                             {".lut", "lut"},
                                             {"._indices", "index"},
                                             {"", "other"}});

std::string_view part_of(std::string_view name) {
  for (const Part& part : kParts) {
    if (name.ends_with(part.suffix)) return part.name;
  }
  return {};
}

std::int64_t count_of(const at::Tensor& flags) {
  return flags.sum().item<std::int64_t>();
}

TensorCheck check_tensor(const std::string& name, const HostTensor& tensor) {
  TensorCheck check;
  check.name = name;
  check.part = part_of(name);
  check.dtype = tensor.describe();
  const ValueChunks values(tensor);
  check.values = values.size();
  for (std::int64_t first = 0; first < values.size(); first += kChunkValues) {
    const at::Tensor piece = values.from(first);
    const at::Tensor finite = piece.isfinite();
    const at::Tensor magnitude = piece.abs().where(finite, piece.new_zeros({}));
    check.nan += count_of(piece.isnan());
    check.infinite += count_of(piece.isinf());
    if (is_floating(tensor.dtype)) check.at_risk += count_of(magnitude.gt(kOverflowRisk));
    check.largest = std::max(check.largest, magnitude.max().item<double>());
  }
  return check;
}

double lookup_difference(const HostTensor& q, const HostTensor& indices, const HostTensor& lut) {
  if (q.shape != indices.shape || lut.numel() == 0) return kInfinity;
  const at::Tensor table = ValueChunks(lut).from(0);
  const ValueChunks values(q), places(indices);
  double largest = 0;
  for (std::int64_t first = 0; first < values.size(); first += kChunkValues) {
    const at::Tensor place = places.from(first).to(at::kLong);
    if (place.min().item<std::int64_t>() < 0 || place.max().item<std::int64_t>() >= table.numel())
      return kInfinity;
    const double difference = table.index_select(0, place).sub(values.from(first)).abs().max().item<double>();
    if (std::isnan(difference)) return kInfinity;
    largest = std::max(largest, difference);
  }
  return largest;
}

LogitCheck check_logits(const std::string& layer, const HostTensor& raw, const HostTensor& lut) {
  LogitCheck check;
  check.layer = layer;
  const at::Tensor stored = ValueChunks(lut).from(0);
  const double last = stored.abs().max().item<double>();
  const at::Tensor table =
      lut_of_logits(ValueChunks(raw).from(0), last < kSmallLut ? kUsualLut : last).to(at::kDouble);
  const std::int64_t n = table.numel();
  check.largest_difference = n == stored.numel() ? table.sub(stored).abs().max().item<double>() : kInfinity;
  check.ascending = table.narrow(0, 1, n - 1).gt(table.narrow(0, 0, n - 1)).all().item<bool>();
  check.without_zero = table.ne(0).all().item<bool>();
  return check;
}

using T = TensorCheck;
constexpr auto kTensorColumns = std::to_array<Column<T>>({
    {"", "tensor", "", "its name", Shown::text, [](const T& t) { return Figure(t.name); }},
    {"", "part", "", "scale, magnitude, Q, lut, index or other", Shown::text,
     [](const T& t) { return Figure(t.part); }},
    {"tensors", "type", "", "type and shape", Shown::text, [](const T& t) { return Figure(t.dtype); }},
    {"tensors", "largest", "", "magnitude of the largest finite value", Shown::number,
     [](const T& t) { return Figure(t.largest); }},
    {"tensors", "nan", "values", "not a number", Shown::number, [](const T& t) { return Figure(t.nan); }},
    {"tensors", "infinite", "values", "plus or minus infinity", Shown::number,
     [](const T& t) { return Figure(t.infinite); }},
    {"tensors", "at_risk", "values", "finite floats beyond 65000", Shown::number,
     [](const T& t) { return Figure(t.at_risk); }},
});

using Q = LookupCheck;
constexpr auto kLookupColumns = std::to_array<Column<Q>>({
    {"", "layer", "", "name of the linear", Shown::text, [](const Q& q) { return Figure(q.layer); }},
    {"lookups", "largest_difference", "", "largest |_Q - lut[_indices]|", Shown::number,
     [](const Q& q) { return Figure(q.largest_difference); }},
    {"lookups", "agrees", "", "that is at most 0.001", Shown::text,
     [](const Q& q) { return Figure(q.agrees()); }},
});

using G = LogitCheck;
constexpr auto kLogitColumns = std::to_array<Column<G>>({
    {"", "layer", "", "name of the linear", Shown::text, [](const G& g) { return Figure(g.layer); }},
    {"table logits", "largest_difference", "", "largest difference of the table of the logits from lut",
     Shown::number, [](const G& g) { return Figure(g.largest_difference); }},
    {"table logits", "ascending", "", "strictly, as FP16", Shown::text,
     [](const G& g) { return Figure(g.ascending); }},
    {"table logits", "without_zero", "", "as FP16", Shown::text,
     [](const G& g) { return Figure(g.without_zero); }},
});

}  // namespace

std::span<const Column<TensorCheck>> tensor_check_columns() {
  return kTensorColumns;
}
std::span<const Column<LookupCheck>> lookup_check_columns() {
  return kLookupColumns;
}
std::span<const Column<LogitCheck>> logit_check_columns() {
  return kLogitColumns;
}

at::Tensor lut_of_logits(const at::Tensor& raw, double largest) {
  const at::NoGradGuard no_grad;
  const double exponent = std::ceil(std::log2(largest)) - 10;
  const double step = std::max(2 * std::exp2(exponent), kSmallestStep);
  const double free = largest - static_cast<double>(raw.numel()) * step;
  const at::Tensor steps = raw.to(at::kDouble).softmax(0).mul(free).add(step);
  const at::Tensor upper = steps.cumsum(0);
  return at::cat({upper.flip(0).neg(), upper}).to(at::kFloat).to(at::kHalf).to(at::kFloat);
}

std::int64_t CheckpointCheck::not_finite() const {
  return std::count_if(tensors.begin(), tensors.end(), [](const T& t) { return t.nan + t.infinite > 0; });
}

std::int64_t CheckpointCheck::at_risk() const {
  return std::count_if(tensors.begin(), tensors.end(), [](const T& t) { return t.at_risk > 0; });
}

std::vector<TensorCheck> CheckpointCheck::largest(const std::string& part, std::int64_t count) const {
  std::vector<TensorCheck> found;
  std::copy_if(tensors.begin(), tensors.end(), std::back_inserter(found),
               [&part](const T& t) { return t.part == part; });
  std::stable_sort(found.begin(), found.end(), [](const T& a, const T& b) { return a.largest > b.largest; });
  if (count > 0 && static_cast<std::int64_t>(found.size()) > count)
    found.resize(static_cast<std::size_t>(count));
  return found;
}

std::vector<std::string> CheckpointCheck::parts() const {
  std::vector<std::string> names;
  for (const Part& part : kParts) {
    const std::string name(part.name);
    const bool there =
        std::any_of(tensors.begin(), tensors.end(), [&](const T& t) { return t.part == name; });
    if (there && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

CheckpointCheck check_tensors(const TensorMap& file, const std::function<void(std::int64_t)>& before) {
  const at::NoGradGuard no_grad;
  constexpr std::string_view kIndices = "._indices";
  constexpr std::string_view kLogits = "._lut_raw_deltas";
  CheckpointCheck check;
  std::int64_t place = 0;
  for (const auto& [name, tensor] : file) {
    if (before) before(place++);
    check.tensors.push_back(check_tensor(name, tensor));
    const bool indices = name.ends_with(kIndices);
    if (!indices && !name.ends_with(kLogits)) continue;
    const std::string layer = name.substr(0, name.size() - (indices ? kIndices : kLogits).size());
    const HostTensor* q = file.find(layer + "._Q");
    const HostTensor* lut = file.find(layer + ".lut");
    if (lut == nullptr || lut->numel() == 0 || tensor.numel() == 0) continue;
    if (!indices) {
      check.logits.push_back(check_logits(layer, tensor, *lut));
    } else if (q != nullptr) {
      check.lookups.push_back({layer, lookup_difference(*q, tensor, *lut)});
    }
  }
  return check;
}

}  // namespace anemll
