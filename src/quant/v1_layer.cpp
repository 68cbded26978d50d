// V1Linear: switches, table and snaps.
#include "src/quant/internal/v1_layer.hpp"

#include "anemll/core/error.hpp"
#include "src/quant/internal/freeze.hpp"
#include "src/quant/internal/lut_weight.hpp"
#include "src/quant/internal/materialised.hpp"
#include "src/quant/internal/v1_file.hpp"
#include "src/quant/internal/v1_state.hpp"
#include "src/quant/internal/v1_type.hpp"

#include <utility>

#include <ATen/core/grad_mode.h>

namespace anemll {

V1Linear::V1Linear(std::string name, const LinearQuant& quant, Tensors tensors)
    : state_(std::make_shared<V1State>(std::move(name), quant, std::move(tensors))) {}

at::Tensor V1Linear::forward(const at::Tensor& x) {
  if (state_->quant.snapped != V1Snap::none && state_->trains())
    throw_usage("a snapped V1 layer cannot be trained", state_->name,
                "train from the file that was snapped, or convert this one to V2");
  return materialised(state_, x);
}

const std::string& V1Linear::name() const {
  return state_->name;
}
LinearQuant V1Linear::quant() const {
  return state_->quant;
}
V1Linear::Tensors& V1Linear::tensors() {
  return state_->tensors;
}
const V1Linear::Tensors& V1Linear::tensors() const {
  return state_->tensors;
}
std::int64_t V1Linear::out() const {
  return state_->tensors.weight.size(0);
}
std::int64_t V1Linear::in() const {
  return state_->tensors.weight.size(1);
}

std::vector<LayerTensor> V1Linear::tensor_table() {
  Tensors& t = state_->tensors;
  const std::pair<std::string_view, at::Tensor*> slots[] = {
      {".weight", &t.weight},          {".bias", &t.bias}, {".scale_A", &t.scale_A},
      {".scale_B", &t.scale_B},        {".lut", &t.lut},   {".full_scales", &t.full_scales},
      {kV1Snapped, &state_->snap_flag}};
  std::vector<LayerTensor> table;
  for (TensorRow& row : v1_table(out(), in(), quant())) {
    for (const auto& [suffix, slot] : slots) {
      if (suffix != row.suffix) continue;
      table.push_back({std::move(row), slot});
      break;
    }
  }
  return table;
}

void V1Linear::begin_step() {
  state_->drop_weight();
}
void V1Linear::begin_micro_step(bool last) {
  state_->last_micro_step = last;
}
void V1Linear::on_gradients_ready(std::function<void()> callback) {
  state_->gradients_ready = std::move(callback);
}

void V1Linear::set_transient(bool on) {
  state_->transient = on;
  if (on) state_->drop_weight();
}

at::Tensor V1Linear::effective_weight(at::ScalarType dtype) const {
  return state_->build_weight(dtype);
}

std::vector<LazyTensor> V1Linear::checkpoint_entries(const HostTensor& /*weight*/,
                                                     bool /*with_indices*/) const {
  return v1_entries(*this);
}

std::unique_ptr<QuantLayer> V1Linear::baked(bool /*half*/) const {
  return snap(V1Snap::baked);
}

at::Tensor V1Linear::snap_indices() const {
  const at::NoGradGuard no_grad;
  const Tensors& t = state_->tensors;
  if (state_->quant.snapped != V1Snap::lut) return v1_indices(t.weight, state_->scales(), state_->table());
  MatchedIndices matched = match_values(t.weight.cpu(), t.lut.cpu());
  require_table_values(matched.largest_error, state_->name + ".weight", state_->name);
  return matched.indices.to(t.weight.device());
}

std::unique_ptr<V1Linear> V1Linear::snap(V1Snap mode) const {
  const at::NoGradGuard no_grad;
  if (state_->quant.snapped != V1Snap::none || mode == V1Snap::none)
    throw_usage("a V1 layer is snapped once, to table values or to weights", state_->name,
                "snap the file that training wrote");
  LinearQuant quant = state_->quant;
  quant.snapped = mode;
  Tensors t = state_->tensors;
  t.weight = mode == V1Snap::baked ? state_->build_weight(at::kFloat)
                                   : lut_values(snap_indices(), t.lut, at::kFloat);
  return std::make_unique<V1Linear>(state_->name, quant, std::move(t));
}

}  // namespace anemll
