#include "src/model/decoder.hpp"

#include "anemll/core/error.hpp"
#include "src/kernels/functions.hpp"
#include "src/kernels/product.hpp"
#include "src/model/checkpoint.hpp"
#include "src/model/dense_linear.hpp"
#include "src/model/rope.hpp"
#include "src/model/torch_bridge.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>

namespace anemll {
namespace {

// Slots of a layer, in the order of body_linears().
enum Part : std::size_t { kQ, kK, kV, kO, kGate, kUp, kDown, kParts };

}  // namespace

struct Decoder::Impl {
  struct LayerNorms {
    at::Tensor input, q, k, post;  // fp32; q and k undefined without per-head norms
  };

  Impl(const ModelFiles& files, at::Device target)
      : arch(files.architecture), device(target), maps(files.maps), rope(files.architecture, target) {}

  at::Tensor& norm(const std::string& name) {
    const auto found =
        std::find_if(norm_names.begin(), norm_names.end(), [&](const auto& n) { return n.first == name; });
    if (found == norm_names.end())
      throw_data("the model has no norm of that name", name, "see Decoder::norms()");
    return *found->second;
  }

  at::Tensor run(std::size_t slot, const at::Tensor& x) {
    const auto& linear = slots[slot].linear;
    if (!linear)
      throw_usage("a linear of the decoder has no weights", slots[slot].spec.name, "fill every slot first");
    return linear->forward(x);
  }

  /// One layer: closes the previous block's add, then attention and MLP; leaves the MLP's add open.
  Stream layer(std::size_t index, const Stream& in, const at::Tensor& allowed) {
    const LayerNorms& norms = layers[index];
    const std::size_t first = index * kParts;
    const double eps = arch.rms_norm_eps;
    const auto [hidden, x] = kernels::add_rms_norm(in.hidden, in.delta, norms.input, eps, dtype);
    const std::int64_t batch = x.size(0);
    const std::int64_t length = x.size(1);
    const auto split = [&](const at::Tensor& y) { return y.view({batch, length, -1, arch.head_dim}); };
    const at::Tensor q =
        kernels::head_norm_rope(split(run(first + kQ, x)), norms.q, eps, rope.cosine(), rope.sine());
    const at::Tensor k =
        kernels::head_norm_rope(split(run(first + kK, x)), norms.k, eps, rope.cosine(), rope.sine());
    const at::Tensor v = split(run(first + kV, x));
    const at::Tensor mixed = kernels::attention(q, k, v, allowed).reshape({batch, length, -1});
    const at::Tensor attended = run(first + kO, mixed);
    const auto [middle, y] = kernels::add_rms_norm(hidden, attended, norms.post, eps, dtype);
    const at::Tensor gated = kernels::swiglu(run(first + kGate, y), run(first + kUp, y));
    return {middle, run(first + kDown, gated)};
  }

  Architecture arch;
  at::Device device;
  at::ScalarType dtype = at::kFloat;
  bool recompute = false;
  std::vector<Slot> slots;
  std::vector<LayerNorms> layers;
  at::Tensor final_norm;
  std::vector<std::pair<std::string, at::Tensor*>>
      norm_names;        // into layers and final_norm, which never move
  at::Tensor embedding;  // [V, H] in the file's dtype; on the CPU a view of the map
  at::Tensor head;       // the same for the output projection
  std::map<at::ScalarType, at::Tensor> heads;
  std::vector<std::shared_ptr<const MappedFile>> maps;
  RopeTable rope;
};

Decoder::Decoder(const ModelFiles& files, at::Device device, bool dense)
    : impl_(std::make_unique<Impl>(files, device)) {
  Impl& m = *impl_;
  const auto view = [&](const std::string& name) {
    const HostTensor* tensor = files.tensors.find(name);
    if (tensor == nullptr)
      throw_data("tensor is missing: " + name, files.folder.string(), "download the model again");
    return as_torch(*tensor);
  };
  const auto small = [&](const std::string& name) {
    return view(name).to(device, at::kFloat, false, /*copy=*/true);
  };

  m.layers.resize(static_cast<std::size_t>(m.arch.layers));
  for (std::size_t i = 0; i < m.layers.size(); ++i) {
    const std::string prefix = "model.layers." + std::to_string(i) + ".";
    Impl::LayerNorms& norms = m.layers[i];
    norms.input = small(prefix + "input_layernorm.weight");
    norms.post = small(prefix + "post_attention_layernorm.weight");
    m.norm_names.emplace_back(prefix + "input_layernorm.weight", &norms.input);
    m.norm_names.emplace_back(prefix + "post_attention_layernorm.weight", &norms.post);
    if (!m.arch.qk_norm) continue;
    norms.q = small(prefix + "self_attn.q_norm.weight");
    norms.k = small(prefix + "self_attn.k_norm.weight");
  }
  m.final_norm = small("model.norm.weight");
  m.norm_names.emplace_back("model.norm.weight", &m.final_norm);
  m.embedding = view("model.embed_tokens.weight").to(device);
  m.head = m.arch.tied_embeddings ? m.embedding : view("lm_head.weight").to(device);

  for (LinearSpec& spec : body_linears(m.arch)) {
    std::unique_ptr<Linear> linear;
    if (dense) {
      const at::Tensor bias = spec.bias ? view(spec.name + ".bias") : at::Tensor();
      linear = std::make_unique<DenseLinear>(view(spec.name + ".weight"), bias, device);
    }
    m.slots.push_back({std::move(spec), std::move(linear)});
  }
}

Decoder::~Decoder() = default;

at::Tensor Decoder::hidden(const at::Tensor& input_ids, const at::Tensor& mask,
                           const std::function<void()>& before_layer) {
  Impl& m = *impl_;
  m.rope.require(input_ids.size(1));
  const at::Tensor allowed = mask.defined() ? kernels::causal_padding_mask(mask.to(m.device)) : at::Tensor();
  Stream stream{at::embedding(m.embedding, input_ids.to(m.device)).to(at::kFloat), {}};
  for (std::size_t i = 0; i < m.layers.size(); ++i) {
    if (before_layer) before_layer();
    const Segment segment = [&m, i, allowed](const Stream& in) { return m.layer(i, in, allowed); };
    stream = m.recompute ? checkpoint(segment, stream) : segment(stream);
  }
  return kernels::add_rms_norm(stream.hidden, stream.delta, m.final_norm, m.arch.rms_norm_eps, at::kFloat)
      .normed;
}

at::Tensor Decoder::logits(const at::Tensor& hidden) {
  constexpr std::int64_t kChunk = 8192;  // vocabulary rows widened at a time
  const at::Tensor& head = impl_->head;
  std::vector<at::Tensor> parts;
  for (std::int64_t begin = 0; begin < head.size(0); begin += kChunk) {
    const std::int64_t rows = std::min(kChunk, head.size(0) - begin);
    parts.push_back(kernels::linear(hidden, head.narrow(0, begin, rows).to(at::kFloat), {}));
  }
  return at::cat(parts, -1);
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
               "convert or check the checkpoint");
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
