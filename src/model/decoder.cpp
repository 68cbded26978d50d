#include "src/model/decoder.hpp"

#include "anemll/core/choices.hpp"
#include "anemll/core/error.hpp"
#include "src/kernels/functions.hpp"
#include "src/kernels/product.hpp"
#include "src/model/checkpoint.hpp"
#include "src/model/internal/dense_linear.hpp"
#include "src/model/internal/rope.hpp"
#include "src/model/torch_bridge.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>

namespace anemll {
namespace {

/// The number of `value` among the different ones of `list`, which it joins when it is new.
template <class Value>
std::size_t kind_of(const Value& value, std::vector<Value>& list) {
  const auto found = std::find(list.begin(), list.end(), value);
  if (found != list.end()) return static_cast<std::size_t>(found - list.begin());
  list.push_back(value);
  return list.size() - 1;
}

}  // namespace

struct Decoder::Impl {
  struct Layer {
    at::Tensor input, q, k, post;  // norms, fp32; q and k undefined without per-head norms
    std::size_t window = 0;        // kind of window: of `windows` and AttentionState::allowed
    std::size_t rope = 0;          // kind of rope: of `ropes` and AttentionState::rotations
  };

  Impl(const ModelFiles& files, at::Device target)
      : arch(files.architecture), device(target), maps(files.maps), layers(arch.layers.size()) {
    std::vector<Rope> kinds;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      layers[i].window = kind_of(arch.layers[i].window, windows);
      layers[i].rope = kind_of(arch.layers[i].rope, kinds);
    }
    for (const Rope& rope : kinds) ropes.emplace_back(rope, arch.head_dim, device);
  }

  at::Tensor& norm(const std::string& name) {
    const auto found =
        std::find_if(norm_names.begin(), norm_names.end(), [&](const auto& n) { return n.first == name; });
    if (found == norm_names.end())
      throw_data("the model has no norm of that name", name, "see Decoder::norms()");
    return *found->second;
  }

  at::Tensor run(std::size_t layer, LayerLinear which, const at::Tensor& x) {
    const Slot& slot = slots[layer * kLayerLinears + static_cast<std::size_t>(which)];
    if (!slot.linear)
      throw_usage("a linear of the decoder has no weights", slot.spec.name, "fill every slot first");
    return slot.linear->forward(x);
  }

  /// Closes the add of the block before.
  Between enter(std::size_t index, const Stream& in) const {
    const auto [hidden, x] =
        kernels::add_rms_norm(in.hidden, in.delta, layers[index].input, arch.rms_norm_eps, dtype);
    return {hidden, x};
  }

  at::Tensor attend(std::size_t index, const at::Tensor& x, const AttentionState& state) {
    using enum LayerLinear;
    const Layer& own = layers[index];
    const AttentionState::Rotation& turn = state.rotations[own.rope];
    const double eps = arch.rms_norm_eps;
    const std::int64_t batch = x.size(0);
    const std::int64_t length = x.size(1);
    const auto split = [&](LayerLinear which) {
      return run(index, which, x).view({batch, length, -1, arch.head_dim});
    };
    const at::Tensor query = kernels::head_norm_rope(split(q), own.q, eps, turn.cosine, turn.sine);
    KvCache::Entry kv;
    kv.keys = kernels::head_norm_rope(split(k), own.k, eps, turn.cosine, turn.sine);
    kv.values = split(v);
    if (state.cache != nullptr) kv = state.cache->append(index, state.first_position, kv.keys, kv.values);
    return kernels::attention(query, kv.keys, kv.values, state.allowed[own.window])
        .reshape({batch, length, -1});
  }

  Between step(std::size_t index, InputGroup group, const Between& at, const AttentionState& state) {
    using enum LayerLinear;
    switch (group) {
      case InputGroup::qkv:
        return {at.hidden, attend(index, at.input, state)};
      case InputGroup::o: {
        const auto [hidden, y] = kernels::add_rms_norm(at.hidden, run(index, o, at.input), layers[index].post,
                                                       arch.rms_norm_eps, dtype);
        return {hidden, y};
      }
      case InputGroup::gate_up: {
        const bool silu = arch.layers[index].activation == Activation::silu;
        const auto gated = silu ? kernels::swiglu : kernels::geglu;
        return {at.hidden, gated(run(index, gate, at.input), run(index, up, at.input))};
      }
      case InputGroup::down:
        return {at.hidden, run(index, down, at.input)};
    }
    throw_no_choice();
  }

  /// One layer; leaves the MLP's add open.
  Stream layer(std::size_t index, const Stream& in, const AttentionState& state) {
    Between at = enter(index, in);
    for (const LinearGroup& group : kLinearGroups) at = step(index, group.input, at, state);
    return {at.hidden, at.input};
  }

  Architecture arch;
  at::Device device;
  at::ScalarType dtype = at::kFloat;
  bool recompute = false;
  std::vector<std::shared_ptr<const MappedFile>> maps;
  std::vector<Slot> slots;
  std::vector<Layer> layers;
  std::vector<std::int64_t> windows;  // the different ones of the layers
  std::vector<RopeTable> ropes;
  at::Tensor final_norm;
  std::vector<std::pair<std::string, at::Tensor*>>
      norm_names;                       // into layers and final_norm, which never move
  at::Tensor embedding;                 // [V, H] in the file's dtype; on the CPU a view of the map
  at::Tensor head;                      // the same for the output projection
  std::unique_ptr<Linear> head_linear;  // what logits() asks instead, where a caller set one
  std::map<at::ScalarType, at::Tensor> heads;
};

Decoder::Decoder(const ModelFiles& files, at::Device device, bool dense)
    : impl_(std::make_unique<Impl>(files, device)) {
  Impl& m = *impl_;
  const auto view = [&](const std::string& name) {
    const HostTensor* tensor = files.tensors.find(name);
    if (tensor == nullptr)
      throw_data("tensor is missing: " + name, files.folder.string(),
                 "download the model again (hf download ORG/NAME)");
    return as_torch(*tensor);
  };
  const auto copy = [&](const TensorSpec& spec) {
    return view(spec.name).to(device, at::kFloat, false, /*copy=*/true);
  };
  const auto trainable = [&](const TensorSpec& spec, at::Tensor& norm) {
    norm = copy(spec);
    m.norm_names.emplace_back(spec.name, &norm);
  };
  for (LinearSpec& spec : body_linears(m.arch)) {
    std::unique_ptr<Linear> linear;
    if (dense) {
      const at::Tensor bias = spec.bias ? view(spec.name + ".bias") : at::Tensor();
      linear = std::make_unique<DenseLinear>(view(spec.name + ".weight"), bias, device);
    }
    m.slots.push_back({std::move(spec), std::move(linear)});
  }
  for (const TensorSpec& spec : expected_tensors(m.arch)) {
    switch (spec.role) {
      case TensorRole::weight:
      case TensorRole::bias:
        break;  // in the slots
      case TensorRole::input_norm:
        trainable(spec, m.layers[spec.layer].input);
        break;
      case TensorRole::post_norm:
        trainable(spec, m.layers[spec.layer].post);
        break;
      case TensorRole::q_norm:
        m.layers[spec.layer].q = copy(spec);
        break;
      case TensorRole::k_norm:
        m.layers[spec.layer].k = copy(spec);
        break;
      case TensorRole::final_norm:
        trainable(spec, m.final_norm);
        break;
      case TensorRole::embedding:
        m.embedding = view(spec.name).to(device);
        break;
      case TensorRole::head:
        m.head = m.arch.tied_embeddings ? m.embedding : view(spec.name).to(device);
        break;
    }
  }
}

Decoder::~Decoder() = default;

at::Tensor Decoder::hidden(const at::Tensor& input_ids, const at::Tensor& mask,
                           const std::function<void()>& before_layer, KvCache* cache) {
  const AttentionState state = begin(input_ids.size(1), mask, cache != nullptr ? cache->length() : 0, cache);
  Stream stream = embed(input_ids);
  for (std::size_t i = 0; i < impl_->layers.size(); ++i) {
    if (before_layer) before_layer();
    stream = block(i, stream, state);
  }
  return finish(stream);
}

AttentionState Decoder::begin(std::int64_t length, const at::Tensor& mask, std::int64_t first_position,
                              KvCache* cache) {
  Impl& m = *impl_;
  const std::int64_t keys = cache != nullptr ? first_position + length : length;
  if (mask.defined() && mask.size(1) != keys) {
    throw_usage("the mask has " + std::to_string(mask.size(1)) + " positions, not " + std::to_string(keys),
                "attention mask", "give one value for each position, those of the KV cache first");
  }
  AttentionState state{first_position, length, cache, {}, {}};
  for (const std::int64_t window : m.windows)
    state.allowed.push_back(kernels::attention_mask(mask, length, keys, window, m.device));
  for (RopeTable& rope : m.ropes) {
    rope.require(first_position + length);
    state.rotations.push_back(
        {rope.cosine().narrow(0, first_position, length), rope.sine().narrow(0, first_position, length)});
  }
  return state;
}

Stream Decoder::embed(const at::Tensor& input_ids) {
  return {at::embedding(impl_->embedding, input_ids.to(impl_->device)).to(at::kFloat), {}};
}

Stream Decoder::block(std::size_t index, const Stream& in, const AttentionState& state) {
  Impl& m = *impl_;
  if (!m.recompute) return m.layer(index, in, state);
  // The state is copied: backward comes after the pass.
  return checkpoint([&m, index, state](const Stream& again) { return m.layer(index, again, state); }, in);
}

Between Decoder::enter(std::size_t index, const Stream& in) {
  return impl_->enter(index, in);
}

Between Decoder::step(std::size_t index, InputGroup group, const Between& at, const AttentionState& state) {
  return impl_->step(index, group, at, state);
}

at::Tensor Decoder::finish(const Stream& stream) {
  const Impl& m = *impl_;
  return kernels::add_rms_norm(stream.hidden, stream.delta, m.final_norm, m.arch.rms_norm_eps, at::kFloat)
      .normed;
}

at::Tensor Decoder::logits(const at::Tensor& hidden) {
  if (impl_->head_linear) return impl_->head_linear->forward(hidden);
  // Where memory is plenty the head is widened once, not for each token.
  if (!hidden.device().is_cpu()) return kernels::linear(hidden, head_weight(at::kFloat), {});
  constexpr std::int64_t kChunk = 8192;  // vocabulary rows widened at a time
  const at::Tensor& head = impl_->head;
  std::vector<at::Tensor> parts;
  for (std::int64_t begin = 0; begin < head.size(0); begin += kChunk) {
    const std::int64_t rows = std::min(kChunk, head.size(0) - begin);
    parts.push_back(kernels::linear(hidden, head.narrow(0, begin, rows).to(at::kFloat), {}));
  }
  return at::cat(parts, -1);
}

void Decoder::set_head(std::unique_ptr<Linear> head) {
  impl_->head_linear = std::move(head);
}

const Architecture& Decoder::architecture() const {
  return impl_->arch;
}
std::vector<Decoder::Slot>& Decoder::slots() {
  return impl_->slots;
}

std::vector<Decoder::NamedTensor> Decoder::norms() const {
  std::vector<NamedTensor> list;
  for (const auto& [name, tensor] : impl_->norm_names) list.push_back({name, *tensor});
  return list;
}

void Decoder::set_norm(const std::string& name, at::Tensor tensor) {
  at::Tensor& slot = impl_->norm(name);
  if (tensor.scalar_type() != at::kFloat || tensor.sizes() != slot.sizes()) {
    throw_data("a norm weight must be fp32 and of the width of the model", name,
               "check the checkpoint with anemll_inspect check");
  }
  slot = std::move(tensor);
}

at::Tensor Decoder::head_weight(at::ScalarType dtype) {
  at::Tensor& cached = impl_->heads[dtype];
  if (!cached.defined()) {
    cached = impl_->head.to(dtype).contiguous();
    // A converted copy has touched every page of the table; from now on only gathered rows are needed of it.
    if (!cached.is_same(impl_->head)) {
      for (const auto& map : impl_->maps) map->release_pages();
    }
  }
  return cached;
}

void Decoder::release_head_weight(at::ScalarType dtype) {
  impl_->heads.erase(dtype);
}

void Decoder::set_compute(at::ScalarType dtype) {
  if (dtype != at::kFloat && dtype != at::kBFloat16) {
    throw_usage("the compute type must be fp32 or bf16", c10::toString(dtype), "choose one of the two");
  }
  impl_->dtype = dtype;
}

at::ScalarType Decoder::compute() const {
  return impl_->dtype;
}
void Decoder::set_gradient_checkpointing(bool on) {
  impl_->recompute = on;
}

}  // namespace anemll
