// V2Linear: switches and the choice of a forward.
#include "src/quant/v2_layer.hpp"

#include "anemll/core/error.hpp"
#include "src/quant/v2_state.hpp"

#include <utility>

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
std::int64_t V2Linear::out() const {
  return state_->tensors.indices.size(0);
}
std::int64_t V2Linear::in() const {
  return state_->tensors.indices.size(1);
}

void V2Linear::set_forward(ForwardMode mode) {
  state_->mode = mode;
  state_->drop_weight();
}

void V2Linear::set_ste(bool on) {
  state_->ste = on;
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

}  // namespace anemll
