// The parts of a pass: decoding with a KV cache against one full forward, single blocks on stored inputs,
// left padding, and families that only this test knows.
#include "anemll/core/error.hpp"
#include "tests/support/gguf_model.hpp"
#include "tests/unit/model/plain_decoder.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

// Of the largest value: products of other row counts sum in another order.
constexpr double kDecodeTolerance = 1e-5;
// The same in bf16, whose operands are rounded to 8 bits.
constexpr double kBf16DecodeTolerance = 3e-2;

/// The made-up family: biases where no other has them, norms on q and k, windows, paired rows.
constexpr std::array kMadeUp{Family{
    .name = "heron",
    .class_name = "HeronForCausalLM",
    .biases = {BiasRule::never, BiasRule::attention_key, BiasRule::never, BiasRule::always, BiasRule::never,
               BiasRule::never, BiasRule::always},
    .qk_norm = true,
    .windows = true,
    .gguf_pairs = true,
}};
const Keys kHeron = {{"model_type", "\"heron\""},
                     {"hidden_act", "\"gelu_pytorch_tanh\""},
                     {"num_hidden_layers", "3"},
                     {"attention_bias", "true"},
                     {"use_sliding_window", "true"},
                     {"sliding_window", "4"},
                     {"layer_types", "[\"sliding_attention\", \"full_attention\", \"sliding_attention\"]"}};

struct Named {
  const char* name;
  ModelFiles files;
};

/// The nano models, and a llama with scaled rope and biases.
std::vector<Named> models(const SmallModel& llama) {
  return {{"llama", llama.files},
          {"qwen3", load_model_files(golden("nano"))},
          {"qwen2", load_model_files(golden("qwen2_nano"))}};
}

/// Prefill of `prompt` tokens, then one token at a time.
Tensor decoded(Decoder& decoder, const Tensor& ids, const Tensor& mask, std::int64_t prompt) {
  const std::int64_t length = ids.size(1);
  KvCache cache(decoder.architecture().layer_count(), length);
  const auto part = [&](std::int64_t first, std::int64_t count) {
    const Tensor seen = mask.defined() ? mask.narrow(1, 0, first + count) : Tensor();
    return decoder.hidden(ids.narrow(1, first, count), seen, {}, &cache);
  };
  std::vector<Tensor> parts{part(0, prompt)};
  for (std::int64_t i = prompt; i < length; ++i) parts.push_back(part(i, 1));
  BOOST_CHECK_EQUAL(cache.length(), length);
  return at::cat(parts, 1);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model)

BOOST_AUTO_TEST_CASE(decoding_with_a_cache_equals_one_full_forward) {
  const at::NoGradGuard no_grad;
  const SmallModel llama(kLlamaScaled), heron(kHeron, kMadeUp);
  std::vector<Named> all = models(llama);
  all.push_back({"heron", heron.files});
  const Tensor ids = random_ids(3, 21);
  for (const Named& model : all) {
    BOOST_TEST_CONTEXT(model.name) {
      Decoder decoder(model.files, at::kCPU, /*dense=*/true);
      const Tensor full = decoder.hidden(ids, {});
      BOOST_CHECK_LT(relative_error(decoded(decoder, ids, {}, 13), full), kDecodeTolerance);
      BOOST_CHECK_LT(relative_error(decoded(decoder, ids, {}, 1), full), kDecodeTolerance);
      decoder.set_compute(at::kBFloat16);
      BOOST_CHECK_LT(relative_error(decoded(decoder, ids, {}, 13), full), kBf16DecodeTolerance);
    }
  }
}

BOOST_AUTO_TEST_CASE(left_padding_holds_through_the_cache) {
  const at::NoGradGuard no_grad;
  const SmallModel llama(kLlamaScaled), heron(kHeron, kMadeUp);
  std::vector<Named> all = models(llama);
  all.push_back({"heron", heron.files});
  const Tensor ids = random_ids(2, 14);
  Tensor mask = at::ones({2, 14}, at::kLong);
  mask[1].narrow(0, 0, 5).zero_();
  for (const Named& model : all) {
    BOOST_TEST_CONTEXT(model.name) {
      Decoder decoder(model.files, at::kCPU, /*dense=*/true);
      const Tensor full = decoder.hidden(ids, mask);
      BOOST_CHECK_LT(relative_error(decoded(decoder, ids, mask, 9), full), kDecodeTolerance);
      // Rotations are relative: a padded row is the same text without its padding.
      const Tensor alone = decoder.hidden(ids.narrow(1, 5, 9), {})[1];
      BOOST_CHECK_LT(relative_error(full[1].narrow(0, 5, 9), alone), 2 * kFormulaTolerance);
      BOOST_CHECK_GT(relative_error(full[1].narrow(0, 5, 9), decoder.hidden(ids, {})[1].narrow(0, 5, 9)),
                     1e-3);
    }
  }
}

BOOST_AUTO_TEST_CASE(one_block_on_stored_inputs_is_that_of_the_full_run) {
  const SmallModel llama(kLlamaScaled);
  const Tensor ids = random_ids(2, 17);
  Tensor mask = at::ones({2, 17}, at::kLong);
  mask[0].narrow(0, 11, 6).zero_();
  for (const Named& model : models(llama)) {
    for (const at::ScalarType compute : {at::kFloat, at::kBFloat16}) {
      BOOST_TEST_CONTEXT(model.name << " " << c10::toString(compute)) {
        Decoder decoder(model.files, at::kCPU, /*dense=*/true);
        decoder.set_compute(compute);
        std::vector<Stream> inputs;
        const AttentionState state = decoder.begin(17, mask);
        Stream stream = decoder.embed(ids);
        for (std::size_t i = 0; i < model.files.architecture.layers.size(); ++i) {
          inputs.push_back(stream);
          stream = decoder.block(i, stream, state);
        }
        BOOST_CHECK(decoder.finish(stream).equal(decoder.hidden(ids, mask)));
        // Behind another pass, with a state of its own, from the pair or from its sum.
        decoder.hidden(random_ids(1, 30), {});
        const Stream& stored = inputs.back();
        const AttentionState again = decoder.begin(17, mask);
        const Stream out = decoder.block(inputs.size() - 1, stored, again);
        BOOST_CHECK(out.hidden.equal(stream.hidden) && out.delta.equal(stream.delta));
        const Stream sum{stored.hidden + stored.delta.to(at::kFloat), {}};
        const Stream from_sum = decoder.block(inputs.size() - 1, sum, again);
        BOOST_CHECK(from_sum.hidden.equal(stream.hidden) && from_sum.delta.equal(stream.delta));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(positions_go_on_from_the_first) {
  const SmallModel llama(kLlamaScaled);
  Decoder decoder(llama.files, at::kCPU, /*dense=*/true);
  const Stream in = decoder.embed(random_ids(2, 6));
  const Stream here = decoder.block(0, in, decoder.begin(6, {}));
  const Stream there = decoder.block(0, in, decoder.begin(6, {}, 40));
  // Other angles, the same differences.
  BOOST_CHECK(!here.delta.equal(there.delta));
  BOOST_CHECK_LT(relative_error(there.delta, here.delta), kFormulaTolerance);
}

BOOST_AUTO_TEST_CASE(misuse_of_the_cache_is_reported) {
  SmallModel model(kQwen3);
  Decoder decoder(model.files, at::kCPU, /*dense=*/true);
  const auto refused = [](const std::string& what, const auto& action) {
    BOOST_CHECK_EXCEPTION(action(), Error, [&](const Error& error) {
      return std::string(error.what()).find(what) != std::string::npos;
    });
  };
  KvCache cache(2, 8);
  decoder.hidden(random_ids(2, 5), {}, {}, &cache);
  refused("do not fit", [&] { decoder.hidden(random_ids(2, 4), {}, {}, &cache); });
  BOOST_CHECK_EQUAL(cache.length(), 5);
  refused("another number of rows", [&] { decoder.hidden(random_ids(1, 1), {}, {}, &cache); });
  refused("mask has 1", [&] { decoder.hidden(random_ids(2, 1), at::ones({2, 1}), {}, &cache); });
  refused("do not fit",
          [&] { decoder.block(0, decoder.embed(random_ids(2, 1)), decoder.begin(1, {}, 7, &cache)); });
  const auto trained = model.decoder();
  KvCache other(2, 8);
  refused("gradients", [&] { trained->hidden(random_ids(2, 5), {}, {}, &other); });
}

BOOST_AUTO_TEST_CASE(a_pass_that_broke_off_can_be_made_again) {
  const at::NoGradGuard no_grad;
  const SmallModel model(kQwen3);
  Decoder decoder(model.files, at::kCPU, /*dense=*/true);
  const Tensor ids = random_ids(1, 7);
  const Tensor full = decoder.hidden(ids, {});
  KvCache cache(2, 7);
  decoder.hidden(ids.narrow(1, 0, 4), {}, {}, &cache);
  decoder.block(0, decoder.embed(random_ids(1, 3)), decoder.begin(3, {}, 4, &cache));
  BOOST_CHECK_EQUAL(cache.length(), 4);
  BOOST_CHECK_LT(relative_error(decoder.hidden(ids.narrow(1, 4, 3), {}, {}, &cache), full.narrow(1, 4, 3)),
                 kDecodeTolerance);
}

BOOST_AUTO_TEST_CASE(rows_that_were_computed_alone_go_on_together) {
  const at::NoGradGuard no_grad;
  const SmallModel model(kQwen3);
  Decoder decoder(model.files, at::kCPU, /*dense=*/true);
  const Tensor ids = random_ids(3, 9);
  const Tensor full = decoder.hidden(ids, {});
  std::vector<KvCache> alone;
  for (std::int64_t row = 0; row < 3; ++row) {
    alone.emplace_back(2, 9);
    decoder.hidden(ids.narrow(0, row, 1).narrow(1, 0, 6), {}, {}, &alone.back());
  }
  KvCache together = KvCache::joined(alone);
  BOOST_CHECK_EQUAL(together.length(), 6);
  BOOST_CHECK_EQUAL(together.capacity(), 9);
  BOOST_CHECK_LT(relative_error(decoder.hidden(ids.narrow(1, 6, 1), {}, {}, &together), full.narrow(1, 6, 1)),
                 kDecodeTolerance);
  // The middle one ends, and the others change places.
  together.keep_rows({2, 0});
  const Tensor places = at::tensor(std::vector<std::int64_t>{2, 0}, at::kLong);
  const Tensor left = ids.index_select(0, places).narrow(1, 7, 2);
  BOOST_CHECK_LT(
      relative_error(decoder.hidden(left, {}, {}, &together), full.index_select(0, places).narrow(1, 7, 2)),
      kDecodeTolerance);
  decoder.hidden(ids.narrow(0, 0, 1).narrow(1, 6, 1), {}, {}, &alone[0]);
  BOOST_CHECK_THROW(KvCache::joined(alone), Error);  // one is longer now
}

BOOST_AUTO_TEST_CASE(a_family_of_a_row_from_here) {
  SmallModel heron(kHeron, kMadeUp);
  const Architecture& a = heron.files.architecture;
  BOOST_CHECK_EQUAL(a.layer_count(), 3);
  BOOST_CHECK(a.layers[0].bias(LayerLinear::k) && a.layers[0].bias(LayerLinear::o) &&
              !a.layers[0].bias(LayerLinear::q) && a.layers[0].bias(LayerLinear::down));
  BOOST_CHECK_EQUAL(a.layers[0].window, 4);
  BOOST_CHECK_EQUAL(a.layers[1].window, 0);
  BOOST_CHECK(heron.files.inventory.left_out_lines().empty());
  // Values and gradients, windows and GELU included.
  const auto decoder = heron.decoder();
  const Tensor ids = random_ids(2, 15);
  const Tensor probe = at::randn({2, 15, 16});
  const Tensor got = decoder->hidden(ids, {});
  (got * probe).sum().backward();
  const Weights gradients = heron.take_gradients();
  const Tensor expected = plain_hidden(a, heron.leaves, ids);
  BOOST_CHECK_LT(relative_error(got.detach(), expected.detach()), kFormulaTolerance);
  (expected * probe).sum().backward();
  const Weights plain = heron.take_gradients();
  for (const auto& [name, gradient] : gradients)
    BOOST_CHECK_MESSAGE(relative_error(gradient, plain.at(name)) < 10 * kFormulaTolerance, name);
  BOOST_CHECK(gradients.contains("model.layers.2.self_attn.o_proj.bias"));
}

BOOST_AUTO_TEST_CASE(a_family_of_a_row_from_here_as_gguf) {
  const TempDir folder;
  Keys keys = kHeron;
  for (const char* key : {"layer_types", "use_sliding_window", "sliding_window", "hidden_act"})
    keys[key] = "";
  const SmallModel heron(keys, kMadeUp);
  const Architecture& a = heron.files.architecture;
  GgufWriter writer;
  put_architecture(writer, a);
  for (const auto& [name, tensor] : heron.files.tensors) {
    const bool paired = name.find("q_proj") != std::string::npos || name.find("k_proj") != std::string::npos;
    writer.plain(gguf_tensor_name(name), paired ? paired_rows(tensor, a.head_dim) : tensor);
  }
  writer.write(folder / "m.gguf");
  const ModelFiles gguf = load_model_files(folder / "m.gguf", kMadeUp);
  BOOST_CHECK(gguf.architecture.layers == a.layers);
  const Tensor ids = random_ids(2, 9);
  Decoder one(heron.files, at::kCPU, /*dense=*/true), other(gguf, at::kCPU, /*dense=*/true);
  BOOST_CHECK(one.hidden(ids, {}).equal(other.hidden(ids, {})));
  // The programs' own table does not have it.
  check_data_error([&] { load_model_files(folder / "m.gguf"); }, "general.architecture", "heron");
  check_data_error([&] { load_model_files(heron.folder.path()); }, "config.json", "heron");
}

BOOST_AUTO_TEST_SUITE_END()
