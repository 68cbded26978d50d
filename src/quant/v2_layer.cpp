// V2Linear: switches and the choice of a forward.
#include "src/quant/internal/v2_layer.hpp"

#include "src/quant/internal/layer_state.hpp"
#include "src/quant/internal/scale_factors.hpp"
#include "src/quant/internal/v2_state.hpp"
#include "src/quant/internal/v2_type.hpp"
#include "src/quant/scale_grid.hpp"

#include <cassert>
#include <iterator>
#include <utility>

#include <ATen/ops/ones_like.h>

namespace anemll {

V2Linear::V2Linear(std::string name, V2Config config, Tensors tensors)
    : state_(std::make_shared<V2State>(std::move(name), config, std::move(tensors))) {}

at::Tensor V2Linear::forward(const at::Tensor& x) {
  if (state_->mode == ForwardMode::materialised) return forward_materialised(state_, x);
  return state_->batched() ? forward_batched(state_, x) : forward_loop(state_, x);
}

const std::string& V2Linear::name() const {
  return state_->name;
}
const V2Config& V2Linear::config() const {
  return state_->config;
}
V2Linear::Tensors& V2Linear::tensors() {
  return state_->tensors;
}
const V2Linear::Tensors& V2Linear::tensors() const {
  return state_->tensors;
}
LinearQuant V2Linear::quant() const {
  const V2Config& c = state_->config;
  return {"v2", c.lut_size, c.rank, c.group_size, c.force_positive_scales};
}

std::int64_t V2Linear::out() const {
  return state_->tensors.indices.size(0);
}
std::int64_t V2Linear::in() const {
  return state_->tensors.indices.size(1);
}

std::vector<LayerTensor> V2Linear::tensor_table() {
  V2State& s = *state_;
  Tensors& t = s.tensors;
  at::Tensor* const slots[] = {&t.indices,         &t.lut,     &s.baked_flag, &t.bias,
                               &s.positive_switch, &t.scale_A, &t.scale_B,    &t.rank_magnitude};
  std::vector<TensorRow> rows = v2_table(out(), in(), quant());
  assert(rows.size() == std::size(slots));
  std::vector<LayerTensor> table;
  for (std::size_t i = 0; i < rows.size(); ++i) table.push_back({std::move(rows[i]), slots[i]});
  return table;
}

void V2Linear::set_numerics(const LayerNumerics& numerics) {
  state_->mode = numerics.forward;
  state_->ste = numerics.ste;
  state_->scale_grid = numerics.scale_grid;
  state_->drop_weight();
}

void V2Linear::begin_step() {
  state_->drop_weight();
}
void V2Linear::begin_micro_step(bool last) {
  state_->last_micro_step = last;
}
void V2Linear::on_gradients_ready(std::function<void()> callback) {
  state_->gradients_ready = std::move(callback);
}

void V2Linear::set_transient(bool on) {
  state_->transient = on;
  if (on) state_->drop_weight();
}

at::Tensor V2Linear::effective_weight(at::ScalarType dtype) const {
  return state_->build_weight(state_->factors(), dtype);
}

std::vector<LazyTensor> V2Linear::checkpoint_entries(const HostTensor& weight, bool with_indices) const {
  return layer_entries(*this, weight, with_indices);
}

std::unique_ptr<QuantLayer> V2Linear::baked(bool half) const {
  Tensors t = state_->tensors;
  const ScaleFactors factors =
      normalise_scales(t.scale_A, t.scale_B, t.rank_magnitude, t.baked, state_->config, half);
  t.scale_A = factors.scaled_a().detach();
  t.scale_B = factors.b_dir.detach();
  t.rank_magnitude = at::ones_like(factors.g);
  t.baked = true;
  return std::make_unique<V2Linear>(state_->name, state_->config, std::move(t));
}

std::unique_ptr<QuantLayer> V2Linear::positive(const at::Tensor& column_weight, bool half,
                                               PositiveFit& fit) const {
  Tensors t = state_->tensors;
  const at::Device device = t.scale_A.device();
  const ScaleFactors factors =
      normalise_scales(t.scale_A, t.scale_B, t.rank_magnitude, t.baked, state_->config, half);
  fit = fit_positive_scales({t.indices.cpu(), t.lut.cpu(), factors.scaled_a().detach().cpu(),
                             factors.b_dir.detach().cpu(), column_weight, half});
  const PositiveFit made = std::move(fit);
  fit = {{}, {}, {}, made.below, made.recoded, made.squared_error, made.squared_clamped, made.squared_weight};
  if (made.below == 0) return nullptr;
  t.scale_A = made.a.to(device);
  t.scale_B = made.b.to(device);
  t.indices = made.indices.to(device);
  t.rank_magnitude = at::ones_like(t.rank_magnitude);
  t.baked = true;
  return std::make_unique<V2Linear>(state_->name, state_->config, std::move(t));
}

std::unique_ptr<QuantLayer> V2Linear::on_scale_grid(std::int64_t& raised) const {
  Tensors t = state_->tensors;
  const at::Device device = t.scale_A.device();
  const ScaleFactors factors =
      normalise_scales(t.scale_A, t.scale_B, t.rank_magnitude, t.baked, state_->config, /*ste=*/true);
  const GridScales grid = to_scale_grid(factors.scaled_a().detach().cpu(), factors.b_dir.detach().cpu());
  raised = grid.raised;
  t.scale_A = grid.a.to(device);
  t.scale_B = grid.b.to(device);
  t.rank_magnitude = at::ones_like(t.rank_magnitude);
  t.baked = true;
  return std::make_unique<V2Linear>(state_->name, state_->config, std::move(t));
}

}  // namespace anemll
