#include "src/quant/internal/layer_keys.hpp"

#include "anemll/core/error.hpp"
#include "src/core/finite.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/layer_type.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

namespace anemll {
namespace {

bool ascending(const at::Tensor& lut) {
  const std::int64_t n = lut.numel();
  return (lut.narrow(0, 1, n - 1) > lut.narrow(0, 0, n - 1)).all().item<bool>();
}

}  // namespace

const HostTensor& LayerReader::require(std::string_view suffix) const {
  const HostTensor* tensor = find(suffix);
  if (tensor == nullptr)
    throw_data("missing key " + key(suffix), file_,
               std::string("give a ") + kind_ + " checkpoint, or start from the model's weights");
  return *tensor;
}

at::Tensor LayerReader::floats(const HostTensor& tensor, std::string_view suffix, std::size_t dims) const {
  if (!is_floating(tensor.dtype) || tensor.shape.size() != dims || tensor.numel() == 0)
    fail(suffix, tensor, "expected floats of " + std::to_string(dims) + " dimensions");
  require_finite(tensor, key(suffix), file_, kDiverged);
  return as_torch(tensor).to(at::kFloat, false, true).contiguous();
}

at::Tensor LayerReader::floats(std::string_view suffix, at::IntArrayRef shape) const {
  const HostTensor& tensor = require(suffix);
  check_shape(tensor, suffix, shape);
  return floats(tensor, suffix, shape.size());
}

std::vector<float> values_of_q(const HostTensor& q) {
  std::vector<float> found;
  if (!is_floating(q.dtype) || q.numel() == 0) return found;
  const at::Tensor values = as_torch(q).to(at::kFloat).contiguous();
  const float* value = values.const_data_ptr<float>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    const auto place = std::lower_bound(found.begin(), found.end(), value[i]);
    if (place != found.end() && *place == value[i]) continue;
    if (found.size() == 256 || !std::isfinite(value[i])) return {};
    found.insert(place, value[i]);
  }
  return found;
}

at::Tensor LayerReader::table() const {
  const HostTensor* q = find(".lut") == nullptr ? find("._Q") : nullptr;
  if (q != nullptr) {
    const std::vector<float> values = values_of_q(*q);
    if (values.size() < 2) fail("._Q", *q, "without .lut these must be 2 to 256 different values");
    return at::tensor(values, at::kFloat);
  }
  const HostTensor& tensor = require(".lut");
  at::Tensor lut = floats(tensor, ".lut", 1);
  if (lut.numel() < 2 || lut.numel() > 256 || !ascending(lut))
    fail(".lut", tensor, "a table is 2 to 256 strictly ascending values");
  return lut;
}

void LayerReader::check_shape(const HostTensor& tensor, std::string_view suffix,
                              at::IntArrayRef shape) const {
  if (at::IntArrayRef(tensor.shape).equals(shape)) return;
  std::string expected;
  for (const std::int64_t size : shape)
    expected.append(expected.empty() ? "" : ", ").append(std::to_string(size));
  fail(suffix, tensor, "expected shape [" + expected + "]; " + kSameLayer);
}

void LayerReader::fail(std::string_view suffix, const HostTensor& tensor, const std::string& hint) const {
  throw_data(key(suffix) + " is " + tensor.describe(), file_, hint);
}

LazyTensor lazy_entry(std::string key, DType dtype, std::vector<std::int64_t> shape,
                      std::function<at::Tensor()> value) {
  LazyTensor entry;
  entry.name = std::move(key);
  entry.dtype = dtype;
  entry.shape = std::move(shape);
  entry.make = [value = std::move(value)] {
    const at::NoGradGuard no_grad;
    return as_host(value().detach().cpu().contiguous());
  };
  return entry;
}

LazyTensor floats_entry(std::string key, const at::Tensor& tensor) {
  return lazy_entry(std::move(key), DType::f32, tensor.sizes().vec(),
                    [tensor] { return tensor.to(at::kFloat); });
}

}  // namespace anemll
