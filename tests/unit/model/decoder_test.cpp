// The decoder against logits of the reference implementation, and against a plain forward written here from
// the formulas: values, gradients, masks, recomputation.
#include "src/model/decoder.hpp"

#include "src/model/rope.hpp"
#include "src/model/torch_bridge.hpp"
#include "tests/support/real_models.hpp"
#include "tests/unit/model/model_folder.hpp"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <numbers>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;
using at::Tensor;

namespace {

// Of the largest |logit|, fp32 against the transformers library on another machine.
constexpr double kGoldenTolerance = 2e-5;
// Two fp32 implementations of the same formulas on one machine.
constexpr double kFormulaTolerance = 2e-5;
// bf16 operands under an fp32 residual stream, mean KL in nats over nano's positions (measured 4e-6).
constexpr double kBf16Kl = 1e-4;

using Weights = std::map<std::string, Tensor>;

double relative_error(const Tensor& a, const Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

Tensor plain_norm(const Tensor& x, const Tensor& weight, double eps) {
  return x * at::rsqrt((x * x).mean({-1}, true) + eps) * weight;
}

/// Angles written down again: theta^(-2i/d), "llama3" scaling by wavelength.
Tensor plain_angles(const Architecture& a, std::int64_t length) {
  std::vector<float> inverse;
  for (std::int64_t i = 0; i < a.head_dim; i += 2) {
    double f = 1.0 / std::pow(a.rope_theta, static_cast<double>(i) / static_cast<double>(a.head_dim));
    if (a.rope_scaling) {
      const double wavelength = 2 * std::numbers::pi / f;
      const double original = static_cast<double>(a.rope_scaling->original_max_position);
      const double low = a.rope_scaling->low_freq_factor;
      const double high = a.rope_scaling->high_freq_factor;
      if (wavelength > original / low) {
        f /= a.rope_scaling->factor;
      } else if (wavelength >= original / high) {
        const double blend = (original / wavelength - low) / (high - low);
        f = (1 - blend) * f / a.rope_scaling->factor + blend * f;
      }
    }
    inverse.push_back(static_cast<float>(f));
  }
  Tensor f = at::ones({static_cast<std::int64_t>(inverse.size())});
  for (std::size_t i = 0; i < inverse.size(); ++i) f[static_cast<std::int64_t>(i)] = inverse[i];
  const Tensor half = at::arange(length).to(at::kFloat).unsqueeze(1) * f;
  return at::cat({half, half}, -1).unsqueeze(1);  // [L, 1, dim]
}

Tensor plain_rotate(const Tensor& x, const Tensor& angles) {
  const std::int64_t half = x.size(-1) / 2;
  return x * angles.cos() + at::cat({-x.narrow(-1, half, half), x.narrow(-1, 0, half)}, -1) * angles.sin();
}

Tensor plain_hidden(const Architecture& a, const Weights& w, const Tensor& ids) {
  const std::int64_t batch = ids.size(0);
  const std::int64_t length = ids.size(1);
  const Tensor angles = plain_angles(a, length);
  const Tensor future = at::ones({length, length}, at::TensorOptions().dtype(at::kBool)).triu(1);
  const auto linear = [&](const std::string& name, const Tensor& x) {
    const auto bias = w.find(name + ".bias");
    return at::linear(x, w.at(name + ".weight"),
                      bias != w.end() ? std::optional<Tensor>(bias->second) : std::nullopt);
  };
  Tensor h = at::embedding(w.at("model.embed_tokens.weight"), ids);
  for (std::int64_t i = 0; i < a.layers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    Tensor x = plain_norm(h, w.at(layer + "input_layernorm.weight"), a.rms_norm_eps);
    const auto heads = [&](const char* name) {
      return linear(layer + "self_attn." + name, x).view({batch, length, -1, a.head_dim});
    };
    Tensor q = heads("q_proj");
    Tensor k = heads("k_proj");
    if (a.qk_norm) {
      q = plain_norm(q, w.at(layer + "self_attn.q_norm.weight"), a.rms_norm_eps);
      k = plain_norm(k, w.at(layer + "self_attn.k_norm.weight"), a.rms_norm_eps);
    }
    q = plain_rotate(q, angles).transpose(1, 2);
    k = plain_rotate(k, angles).repeat_interleave(a.heads / a.kv_heads, 2).transpose(1, 2);
    const Tensor v = heads("v_proj").repeat_interleave(a.heads / a.kv_heads, 2).transpose(1, 2);
    const Tensor scores = q.matmul(k.transpose(-1, -2)) / std::sqrt(static_cast<double>(a.head_dim));
    const Tensor p = at::softmax(scores.masked_fill(future, -std::numeric_limits<double>::infinity()), -1);
    h = h + linear(layer + "self_attn.o_proj", p.matmul(v).transpose(1, 2).reshape({batch, length, -1}));
    x = plain_norm(h, w.at(layer + "post_attention_layernorm.weight"), a.rms_norm_eps);
    const Tensor gated = at::silu(linear(layer + "mlp.gate_proj", x)) * linear(layer + "mlp.up_proj", x);
    h = h + linear(layer + "mlp.down_proj", gated);
  }
  return plain_norm(h, w.at("model.norm.weight"), a.rms_norm_eps);
}

/// A trainable linear that counts how often each direction ran.
class CountingLinear final : public Linear {
 public:
  CountingLinear(Tensor weight, Tensor bias) : weight_(std::move(weight)), bias_(std::move(bias)) {}
  Tensor forward(const Tensor& x) override {
    ++forwards;
    const Tensor y = at::linear(x, weight_, bias_.defined() ? std::optional<Tensor>(bias_) : std::nullopt);
    if (y.requires_grad()) y.register_hook([this](const Tensor& grad) { return ++backwards, grad; });
    return y;
  }
  int forwards = 0;
  int backwards = 0;

 private:
  Tensor weight_, bias_;
};

/// A model folder with random fp32 tensors, loaded; every tensor also as a trainable leaf.
struct SmallModel {
  TempDir folder;
  ModelFiles files;
  Weights leaves;

  explicit SmallModel(const Keys& changes) {
    write_config(folder.path(), llama_keys(), changes);
    TensorMap tensors;
    for (const TensorSpec& spec : expected_tensors(read_architecture(folder.path()))) {
      const bool norm = spec.name.find("norm") != std::string::npos;
      tensors.set(spec.name, as_host(at::randn(spec.shape) * 0.3 + (norm ? 1.0 : 0.0)));
    }
    write_tensors(folder / "model.safetensors", tensors);
    files = load_model_files(folder.path());
    for (const auto& [name, tensor] : files.tensors)
      leaves[name] = as_torch(tensor).clone().set_requires_grad(true);
  }

  /// A decoder whose linears and norms are the leaves.
  std::unique_ptr<Decoder> decoder() {
    auto decoder = std::make_unique<Decoder>(files, at::kCPU, /*dense=*/false);
    for (auto& slot : decoder->slots()) {
      const Tensor bias = slot.spec.bias ? leaves.at(slot.spec.name + ".bias") : Tensor();
      slot.linear = std::make_unique<CountingLinear>(leaves.at(slot.spec.name + ".weight"), bias);
    }
    for (const auto& norm : decoder->norms()) decoder->set_norm(norm.name, leaves.at(norm.name));
    return decoder;
  }

  /// Gradients of the leaves, which are then cleared.
  Weights take_gradients() {
    Weights out;
    for (auto& [name, leaf] : leaves) {
      if (leaf.grad().defined()) out[name] = leaf.grad().clone();
      leaf.mutable_grad() = Tensor();
    }
    return out;
  }
};

const Keys kLlamaScaled = {
    {"head_dim", "6"},
    {"attention_bias", "true"},
    {"mlp_bias", "true"},
    {"rope_scaling",
     "{\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, "
     "\"original_max_position_embeddings\": 64}"}};
const Keys kQwen = {{"model_type", "\"qwen3\""}, {"head_dim", "8"}, {"rope_theta", "1000000.0"}};

Tensor random_ids(std::int64_t batch, std::int64_t length) {
  return at::randint(50, {batch, length}, at::kLong);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model)

BOOST_AUTO_TEST_CASE(nano_logits_match_the_golden) {
  const ModelFiles files = load_model_files(golden("nano"));
  Decoder decoder(files, at::kCPU, /*dense=*/true);
  const SafetensorsFile gold = read_safetensors(golden("nano/logits.safetensors"));
  const Tensor ids = as_torch(*gold.tensors.find("input_ids")).to(at::kLong);
  const Tensor expected = as_torch(*gold.tensors.find("logits"));
  const Tensor logits = decoder.logits(decoder.hidden(ids, {}));
  BOOST_CHECK_LT(relative_error(logits, expected), kGoldenTolerance);
  BOOST_CHECK_LT(relative_error(decoder.logits(decoder.hidden(ids, at::ones_like(ids))), expected),
                 kGoldenTolerance);

  decoder.set_compute(at::kBFloat16);
  const Tensor p = at::log_softmax(expected, -1);
  const Tensor q = at::log_softmax(decoder.logits(decoder.hidden(ids, {})), -1);
  const double kl = (p.exp() * (p - q)).sum(-1).mean().item<double>();
  BOOST_CHECK_LT(kl, kBf16Kl);
  BOOST_CHECK_GT(kl, 0.0);  // it really ran in bf16
}

// 11-tied-config-own-head, 69-unexpected-biases: the numbers that transformers gives for such files.
BOOST_AUTO_TEST_CASE(an_own_head_makes_the_logits_and_biases_without_configuration_do_not) {
  const SafetensorsFile gold = read_safetensors(golden("nano/logits.safetensors"));
  const Tensor ids = as_torch(*gold.tensors.find("input_ids")).to(at::kLong);
  const Tensor expected = as_torch(*gold.tensors.find("logits"));
  const auto logits_with = [&](const char* name, const HostTensor& tensor) {
    const TempDir folder;
    std::filesystem::copy_file(golden("nano/config.json"), folder / "config.json");
    TensorMap tensors = read_safetensors(golden("nano/model.safetensors")).tensors;
    tensors.set(name, tensor);
    write_tensors(folder / "model.safetensors", tensors);
    Decoder decoder(load_model_files(folder.path()), at::kCPU, /*dense=*/true);
    return decoder.logits(decoder.hidden(ids, {}));
  };
  // The embedding upside down is a head whose logits stand upside down.
  const TensorMap nano = read_safetensors(golden("nano/model.safetensors")).tensors;
  const HostTensor& embedding = *nano.find("model.embed_tokens.weight");
  HostTensor head = HostTensor::zeros(embedding.dtype, embedding.shape);
  const auto row = static_cast<std::ptrdiff_t>(embedding.bytes()) / embedding.shape[0];
  for (std::int64_t i = 0; i < embedding.shape[0]; ++i)
    std::memcpy(head.mutable_bytes() + i * row, embedding.data + (embedding.shape[0] - 1 - i) * row,
                static_cast<std::size_t>(row));
  const Tensor logits = logits_with("lm_head.weight", head);
  BOOST_CHECK_LT(relative_error(logits.flip({-1}), expected), kGoldenTolerance);
  BOOST_CHECK_GT(relative_error(logits, expected), 0.1);

  HostTensor bias = HostTensor::zeros(DType::bf16, {128});
  std::memset(bias.mutable_bytes(), 0x3f, bias.bytes());
  BOOST_CHECK_LT(relative_error(logits_with("model.layers.0.self_attn.q_proj.bias", bias), expected),
                 kGoldenTolerance);
}

BOOST_AUTO_TEST_CASE(smollm2_gguf_gives_the_golden_logits, *needs_models({"smollm2.gguf"})) {
  const ModelFiles files = load_model_files(test_models() / "smollm2.gguf");
  Decoder decoder(files, at::kCPU, /*dense=*/true);
  const SafetensorsFile gold = read_safetensors(golden("smollm2/logits.safetensors"));
  const auto of = [&](const char* name) { return as_torch(*gold.tensors.find(name)); };
  const Tensor top_ids = of("top_idx").to(at::kLong);                                          // [48, 64]
  const Tensor logits = decoder.logits(decoder.hidden(of("input_ids").to(at::kLong), {}))[0];  // [48, V]
  BOOST_CHECK_LT(relative_error(logits.gather(1, top_ids), of("top_logits")), kGoldenTolerance);
  BOOST_CHECK_LT(relative_error(logits.logsumexp(1), of("logsumexp")), kGoldenTolerance);
  BOOST_CHECK(logits.argmax(1).equal(top_ids.select(1, 0)));
}

BOOST_AUTO_TEST_CASE(values_and_gradients_match_a_plain_forward) {
  for (const Keys& keys : {kLlamaScaled, kQwen}) {
    SmallModel model(keys);
    const auto decoder = model.decoder();
    const Tensor ids = random_ids(3, 20);
    const Tensor probe = at::randn({3, 20, 16});
    const Tensor got = decoder->hidden(ids, {});
    (got * probe).sum().backward();
    const Weights gradients = model.take_gradients();
    const Tensor expected = plain_hidden(model.files.architecture, model.leaves, ids);
    BOOST_CHECK_LT(relative_error(got.detach(), expected.detach()), kFormulaTolerance);
    (expected * probe).sum().backward();
    Weights plain = model.take_gradients();
    plain.erase("model.embed_tokens.weight");  // frozen in the decoder
    for (const auto& [name, gradient] : plain) {
      if (name.find("q_norm") != std::string::npos || name.find("k_norm") != std::string::npos)
        continue;  // frozen
      BOOST_REQUIRE_MESSAGE(gradients.contains(name), name);
      BOOST_CHECK_MESSAGE(relative_error(gradients.at(name), gradient) < 10 * kFormulaTolerance, name);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_dense_decoder_equals_one_with_filled_slots) {
  SmallModel model(kLlamaScaled);
  const Tensor ids = random_ids(2, 9);
  Decoder dense(model.files, at::kCPU, /*dense=*/true);
  const Tensor hidden = dense.hidden(ids, {});
  BOOST_CHECK(!hidden.requires_grad());
  BOOST_CHECK(hidden.equal(model.decoder()->hidden(ids, {}).detach()));
  const Tensor head = as_torch(*model.files.tensors.find("lm_head.weight"));  // untied
  BOOST_CHECK_LT(relative_error(dense.logits(hidden), at::linear(hidden, head)), kFormulaTolerance);
  BOOST_CHECK(dense.head_weight(at::kBFloat16).is_same(dense.head_weight(at::kBFloat16)));
  dense.release_head_weight(at::kBFloat16);
  BOOST_CHECK(dense.head_weight(at::kBFloat16).scalar_type() == at::kBFloat16);
}

BOOST_AUTO_TEST_CASE(padding_does_not_change_real_positions) {
  SmallModel model(kQwen);
  Decoder decoder(model.files, at::kCPU, /*dense=*/true);
  const Tensor ids = random_ids(2, 10);
  Tensor mask = at::ones({2, 10}, at::kLong);
  mask[1].narrow(0, 6, 4).zero_();
  const Tensor padded = decoder.hidden(ids, mask);
  const Tensor shorter = decoder.hidden(ids.narrow(1, 0, 6), {});
  BOOST_CHECK_LT(relative_error(padded[1].narrow(0, 0, 6), shorter[1]), kFormulaTolerance);
  BOOST_CHECK_LT(relative_error(padded[0], decoder.hidden(ids, {})[0]), kFormulaTolerance);
  // Padded queries look at the real keys only, not at themselves.
  BOOST_CHECK_GT(relative_error(padded[1].narrow(0, 6, 4), decoder.hidden(ids, {})[1].narrow(0, 6, 4)), 1e-3);
  mask[1].zero_();
  BOOST_CHECK(decoder.hidden(ids, mask).isfinite().all().item<bool>());
}

BOOST_AUTO_TEST_CASE(recomputation_changes_nothing_and_runs_backward_once) {
  SmallModel model(kQwen);
  const Tensor ids = random_ids(2, 12);
  const Tensor probe = at::randn({2, 12, 16});
  const auto run = [&](bool recompute) {
    const auto decoder = model.decoder();
    decoder->set_gradient_checkpointing(recompute);
    const Tensor hidden = decoder->hidden(ids, {});
    (hidden * probe).sum().backward();
    for (const auto& slot : decoder->slots()) {
      const auto& linear = static_cast<const CountingLinear&>(*slot.linear);
      BOOST_CHECK_EQUAL(linear.forwards, recompute ? 2 : 1);
      BOOST_CHECK_EQUAL(linear.backwards, 1);
    }
    return hidden.detach();
  };
  const Tensor kept = run(false);
  const Weights expected = model.take_gradients();
  BOOST_CHECK(run(true).equal(kept));
  const Weights gradients = model.take_gradients();
  BOOST_CHECK_EQUAL(gradients.size(), expected.size());
  for (const auto& [name, gradient] : expected) {
    BOOST_REQUIRE_MESSAGE(gradients.contains(name), name);
    BOOST_CHECK_MESSAGE(gradients.at(name).equal(gradient), name);
  }
}

BOOST_AUTO_TEST_CASE(misuse_is_reported) {
  SmallModel model(kQwen);
  Decoder decoder(model.files, at::kCPU, /*dense=*/false);
  BOOST_CHECK_THROW(decoder.hidden(random_ids(1, 4), {}), Error);  // empty slots
  BOOST_CHECK_THROW(decoder.set_norm("model.norm.weight", at::ones({15})), Error);
  BOOST_CHECK_THROW(decoder.set_norm("no.such.norm", at::ones({16})), Error);
  BOOST_CHECK_THROW(decoder.set_compute(at::kHalf), Error);
  BOOST_CHECK_EQUAL(decoder.norms().size(), 5U);
  BOOST_CHECK_EQUAL(decoder.norms().back().name, "model.norm.weight");
}

BOOST_AUTO_TEST_CASE(host_tensors_cross_the_bridge_both_ways) {
  const Tensor strided = at::randn({3, 4}).t();
  const HostTensor host = as_host(strided);
  BOOST_CHECK(host.contiguous() && host.dtype == DType::f32);
  const Tensor back = as_torch(host);
  BOOST_CHECK(back.equal(strided));
  BOOST_CHECK_EQUAL(back.const_data_ptr(), static_cast<const void*>(host.data));
  for (const DType dtype :
       {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32, DType::i16, DType::i8,
        DType::u8, DType::u16, DType::u32, DType::u64, DType::boolean}) {
    BOOST_CHECK(from_torch(to_torch(dtype)) == dtype);
  }
  BOOST_CHECK_EQUAL(as_torch(HostTensor::zeros(DType::f32, {0, 3})).numel(), 0);
  Tensor kept;
  {
    HostTensor temporary = HostTensor::zeros(DType::i32, {2});
    kept = as_torch(temporary);
  }
  BOOST_CHECK_EQUAL(kept.sum().item<std::int64_t>(), 0);  // the storage outlives the host tensor
}

BOOST_AUTO_TEST_SUITE_END()
