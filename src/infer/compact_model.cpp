#include "src/infer/compact_model.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/infer/internal/layer_factors.hpp"
#include "src/kernels/narrow_product.hpp"
#include "src/kernels/packed_product.hpp"
#include "src/model/torch_bridge.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>

namespace anemll {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kMeasuredSeconds = 0.5;
/// Of weights in their dense form: more than the caches of most processors hold, so that memory is measured.
constexpr std::int64_t kMeasuredBytes = std::int64_t{1} << 27;
constexpr std::int64_t kBytesOfDense = 2;

/// A linear in one of the forms.
class CompactLinear : public Linear {
 public:
  virtual std::int64_t bytes() const = 0;
};

at::Tensor as_float(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.to(at::kFloat).contiguous() : tensor;
}

class NarrowLinear final : public CompactLinear {
 public:
  NarrowLinear(const at::Tensor& weight, const at::Tensor& bias)
      : weight_(kernels::narrow_weight(weight)), bias_(as_float(bias)) {}

  at::Tensor forward(const at::Tensor& x) override { return kernels::narrow_linear(x, weight_, bias_); }
  std::int64_t bytes() const override { return weight_.bytes(); }

 private:
  kernels::NarrowWeight weight_;
  at::Tensor bias_;
};

class PackedLinear final : public CompactLinear {
 public:
  explicit PackedLinear(const LayerFactors& f)
      : weight_(kernels::pack_weight(f.indices, f.lut, f.a, f.b)), bias_(as_float(f.bias)) {}

  at::Tensor forward(const at::Tensor& x) override { return kernels::packed_linear(x, weight_, bias_); }
  std::int64_t bytes() const override { return weight_.bytes(); }

 private:
  kernels::PackedWeight weight_;
  at::Tensor bias_;
};

using Linears = std::vector<std::unique_ptr<CompactLinear>>;

bool can_be_packed(const QuantLayer& layer) {
  const LinearQuant quant = layer.quant();
  return quant.type == "v2" && kernels::can_pack(quant.lut_size);
}

std::unique_ptr<CompactLinear> compact(QuantLayer& layer, WeightFormat format) {
  if (format == WeightFormat::packed && can_be_packed(layer))
    return std::make_unique<PackedLinear>(*layer_factors(layer, /*half=*/false));
  return std::make_unique<NarrowLinear>(layer.effective_weight(at::kFloat), layer_tensor(layer, ".bias"));
}

/// One token through some linears, again and again.
class Stopwatch {
 public:
  Stopwatch(const std::vector<QuantLayer*>& layers, Linears linears) : linears_(std::move(linears)) {
    for (std::size_t i = 0; i < linears_.size(); ++i)
      inputs_.push_back(at::ones({1, 1, layers[i]->in()}, at::kFloat));
    pass();  // the first use of memory counts for nobody
    seconds_ = 0;
    passes_ = 0;
  }

  void pass() {
    const Clock::time_point start = Clock::now();
    for (std::size_t i = 0; i < linears_.size(); ++i) linears_[i]->forward(inputs_[i]);
    seconds_ += std::chrono::duration<double>(Clock::now() - start).count();
    ++passes_;
  }
  double seconds() const { return seconds_; }
  double seconds_a_pass() const { return seconds_ / static_cast<double>(passes_); }
  Linears take() { return std::move(linears_); }

 private:
  Linears linears_;
  std::vector<at::Tensor> inputs_;
  double seconds_ = 0;
  std::int64_t passes_ = 0;
};

std::int64_t weights_of(const QuantLayer& layer) {
  return layer.out() * layer.in();
}

/// The faster form, measured on the first of `layers`; these are returned in it.
Linears faster(const std::vector<QuantLayer*>& layers, CompactFacts& facts) {
  Linears dense;
  Linears packed;
  std::int64_t measured = 0;
  std::int64_t all = 0;
  for (QuantLayer* layer : layers) {
    all += weights_of(*layer);
    if (measured * kBytesOfDense >= kMeasuredBytes) continue;
    measured += weights_of(*layer);
    dense.push_back(compact(*layer, WeightFormat::dense));
    packed.push_back(compact(*layer, WeightFormat::packed));
  }
  Stopwatch slow(layers, std::move(dense));
  Stopwatch small(layers, std::move(packed));
  while (slow.seconds() + small.seconds() < kMeasuredSeconds) {  // in turns: both see the same neighbours
    slow.pass();
    small.pass();
  }
  const double share = static_cast<double>(measured) / static_cast<double>(all);
  facts.dense_rate = share / slow.seconds_a_pass();
  facts.packed_rate = share / small.seconds_a_pass();
  facts.format = facts.packed_rate > facts.dense_rate ? WeightFormat::packed : WeightFormat::dense;
  return facts.format == WeightFormat::packed ? small.take() : slow.take();
}

const HostTensor& tensor_of(const ModelFiles& files, const std::string& name) {
  const HostTensor* tensor = files.tensors.find(name);
  if (tensor == nullptr)
    throw_data("tensor is missing: " + name, files.folder.string(), "download the model again");
  return *tensor;
}

/// Gives the embedding 16 bits where that keeps every value: a checkpoint holds it in fp32, as training had
/// it, and a head of 16 bits can share it then.
const ModelFiles& with_small_embedding(ModelFiles& files) {
  for (const TensorSpec& spec : expected_tensors(files.architecture)) {
    if (spec.role != TensorRole::embedding) continue;
    const at::Tensor wide = as_torch(tensor_of(files, spec.name));
    if (wide.scalar_type() != at::kFloat) break;
    for (const at::ScalarType type : {at::kHalf, at::kBFloat16}) {
      const at::Tensor small = wide.to(type);
      if (!at::equal(small.to(at::kFloat), wide)) continue;
      files.tensors.set(spec.name, as_host(small));
      break;
    }
  }
  return files;
}

std::string megabytes(std::int64_t bytes) {
  return strf("%.1f MB", static_cast<double>(bytes) / 1e6);
}

}  // namespace

std::string CompactFacts::describe() const {
  std::string text = format == WeightFormat::packed
                         ? strf("weights packed (%lld of %lld linears)",
                                static_cast<long long>(packed_linears), static_cast<long long>(linears))
                         : std::string("weights dense, 16 bits each");
  if (dense_rate > 0) {
    const bool packs = format == WeightFormat::packed;
    text +=
        strf(", the faster: %.1f passes/s through the linears against %.1f %s",
             packs ? packed_rate : dense_rate, packs ? dense_rate : packed_rate, packs ? "dense" : "packed");
  }
  text += "; linears " + megabytes(body_bytes) + ", head " + megabytes(head_bytes);
  if (embedding_bytes > 0) return text + ", embedding " + megabytes(embedding_bytes);
  return text + ", which is the embedding too";
}

CompactModel::CompactModel(ModelFiles files)
    : decoder_(with_small_embedding(files), at::kCPU, /*dense=*/false) {
  const at::NoGradGuard no_grad;
  for (Decoder::Slot& slot : decoder_.slots()) {
    const at::Tensor bias =
        slot.spec.bias ? as_torch(tensor_of(files, slot.spec.name + ".bias")) : at::Tensor();
    auto linear =
        std::make_unique<NarrowLinear>(as_torch(tensor_of(files, slot.spec.name + ".weight")), bias);
    facts_.body_bytes += linear->bytes();
    ++facts_.linears;
    slot.linear = std::move(linear);
  }
  take_head(files);
}

CompactModel::CompactModel(ModelFiles files, const std::vector<QuantLayer*>& layers, WeightFormat wanted)
    : decoder_(with_small_embedding(files), at::kCPU, /*dense=*/false) {
  const at::NoGradGuard no_grad;
  for (const QuantLayer* layer : layers) facts_.packed_linears += can_be_packed(*layer) ? 1 : 0;
  if (facts_.packed_linears == 0) {
    if (wanted == WeightFormat::packed)
      throw_usage("no layer of this checkpoint can be packed", "--weight-format packed",
                  "packed are V2 layers with tables of at most 16 entries; use dense");
    wanted = WeightFormat::dense;
  }
  Linears done;
  facts_.format = wanted;
  if (wanted == WeightFormat::automatic) done = faster(layers, facts_);
  if (facts_.format == WeightFormat::dense) facts_.packed_linears = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    std::unique_ptr<CompactLinear> linear =
        i < done.size() ? std::move(done[i]) : compact(*layers[i], facts_.format);
    facts_.body_bytes += linear->bytes();
    ++facts_.linears;
    decoder_.slots()[i].linear = std::move(linear);
  }
  take_head(files);
}

/// A tied head of 16 bits is the embedding's own memory.
void CompactModel::take_head(const ModelFiles& files) {
  const bool tied = files.architecture.tied_embeddings;
  const HostTensor* embedding = nullptr;
  const HostTensor* own_head = nullptr;
  for (const TensorSpec& spec : expected_tensors(files.architecture)) {
    if (spec.role == TensorRole::embedding) embedding = &tensor_of(files, spec.name);
    if (spec.role == TensorRole::head && !tied) own_head = &tensor_of(files, spec.name);
  }
  const at::Tensor table = as_torch(*embedding);
  const at::Tensor weight = own_head != nullptr ? as_torch(*own_head) : table;
  auto head = std::make_unique<NarrowLinear>(weight, at::Tensor());
  facts_.head_bytes = head->bytes();
  const bool shared = own_head == nullptr && table.scalar_type() != at::kFloat;
  facts_.embedding_bytes = shared ? 0 : static_cast<std::int64_t>(table.nbytes());
  decoder_.set_head(std::move(head));
}

}  // namespace anemll
