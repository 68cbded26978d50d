// The decoder against logits of the reference implementation, and against a plain forward written here from
// the formulas: values, gradients, masks, recomputation.
#include "tests/support/real_models.hpp"
#include "tests/unit/model/plain_decoder.hpp"

#include <cstring>
#include <filesystem>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/log_softmax.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

// Of the largest |logit|, fp32 against the transformers library on another machine.
constexpr double kGoldenTolerance = 2e-5;
// bf16 operands under an fp32 residual stream, mean KL in nats over nano's positions (measured 4e-6).
constexpr double kBf16Kl = 1e-4;

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

BOOST_AUTO_TEST_CASE(qwen2_nano_logits_match_the_golden) {
  const ModelFiles files = load_model_files(golden("qwen2_nano"));
  BOOST_CHECK(files.inventory.left_out_lines().empty());
  Decoder decoder(files, at::kCPU, /*dense=*/true);
  const SafetensorsFile gold = read_safetensors(golden("qwen2_nano/logits.safetensors"));
  const Tensor ids = as_torch(*gold.tensors.find("input_ids")).to(at::kLong);
  const Tensor expected = as_torch(*gold.tensors.find("logits"));
  BOOST_CHECK_LT(relative_error(decoder.logits(decoder.hidden(ids, {})), expected), kGoldenTolerance);
  // The biases matter to the numbers.
  ModelFiles without = files;
  for (const LinearSpec& linear : body_linears(files.architecture)) {
    if (linear.bias) without.tensors.set(linear.name + ".bias", HostTensor::zeros(DType::f32, {linear.out}));
  }
  Decoder other(without, at::kCPU, /*dense=*/true);
  BOOST_CHECK_GT(relative_error(other.logits(other.hidden(ids, {})), expected), 1e-2);
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
  for (const Keys& keys : {kLlamaScaled, kQwen3, kQwen2}) {
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
  SmallModel model(kQwen3);
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
  SmallModel model(kQwen3);
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

BOOST_AUTO_TEST_CASE(a_head_of_another_form_answers) {
  struct Twice final : Linear {
    at::Tensor weight;
    at::Tensor forward(const at::Tensor& x) override { return x.matmul(weight.t()).mul(2); }
  };
  const at::NoGradGuard no_grad;
  SmallModel model(kQwen3);
  Decoder decoder(model.files, at::kCPU, /*dense=*/true);
  const Tensor hidden = at::randn({2, 3, 16});
  const Tensor before = decoder.logits(hidden);
  auto head = std::make_unique<Twice>();
  head->weight = decoder.head_weight(at::kFloat);
  decoder.set_head(std::move(head));
  BOOST_CHECK_LT((decoder.logits(hidden) - before.mul(2)).abs().max().item<double>(), 1e-4);
}

BOOST_AUTO_TEST_CASE(misuse_is_reported) {
  SmallModel model(kQwen3);
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
