// The compact forms of a model against the model itself, and what is chosen.
#include "src/infer/compact_model.hpp"

#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/student/student.hpp"
#include "tests/support/open_student.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstdint>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

// Of the largest logit: fp32 sums in another order.
constexpr double kFloatNoise = 1e-4;
// The same with weights of 11 bits: 14 linears and the head.
constexpr double kHalfNoise = 1e-2;

Student trained() {
  return test::open_student(load_model_files(test::golden("nano")), test::golden("nano/v2_q2a4_trained.pt"));
}

at::Tensor prompt(std::int64_t length) {
  return at::arange(length, at::kLong).mul(37).unsqueeze(0);
}

at::Tensor logits(Decoder& decoder, std::int64_t length) {
  const at::NoGradGuard no_grad;
  return decoder.logits(decoder.hidden(prompt(length), {}));
}

/// Prompts of few tokens and of many.
void compare(Decoder& compact, Decoder& wide, double limit) {
  for (const std::int64_t length : {3, 24}) {
    const at::Tensor expected = logits(wide, length);
    const double error = (logits(compact, length) - expected).abs().max().item<double>();
    BOOST_TEST(error <= limit * expected.abs().max().item<double>(), "length " << length << ": " << error);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_compact_model)

BOOST_AUTO_TEST_CASE(packed_and_dense_are_the_same_model) {
  Student student = trained();
  student.set_evaluation();
  CompactModel packed(student.files(), student.layers(), WeightFormat::packed);
  CompactModel dense(student.files(), student.layers(), WeightFormat::dense);
  compare(packed.decoder(), student.decoder(), kFloatNoise);
  compare(dense.decoder(), student.decoder(), kHalfNoise);
  BOOST_TEST((packed.facts().format == WeightFormat::packed));
  BOOST_TEST(packed.facts().packed_linears == 14);
  BOOST_TEST(packed.facts().dense_rate == 0);
  BOOST_TEST(packed.facts().describe().starts_with("weights packed (14 of 14 linears); linears "));
  BOOST_TEST(dense.facts().packed_linears == 0);
  BOOST_TEST(dense.facts().body_bytes == 2 * student.body_weights());
}

BOOST_AUTO_TEST_CASE(the_faster_one_is_measured_and_told) {
  Student student = trained();
  CompactModel model(student.files(), student.layers(), WeightFormat::automatic);
  const CompactFacts& facts = model.facts();
  BOOST_TEST(facts.dense_rate > 0);
  BOOST_TEST(facts.packed_rate > 0);
  const WeightFormat faster =
      facts.packed_rate > facts.dense_rate ? WeightFormat::packed : WeightFormat::dense;
  BOOST_TEST((facts.format == faster));
  BOOST_TEST(facts.packed_linears == (faster == WeightFormat::packed ? 14 : 0));
  BOOST_TEST(facts.linears == 14);
  BOOST_TEST(facts.describe().find(", the faster: ") != std::string::npos);
  student.set_evaluation();
  compare(model.decoder(), student.decoder(), kHalfNoise);
}

BOOST_AUTO_TEST_CASE(plain_weights_stay_dense) {
  const ModelFiles files = load_model_files(test::golden("nano"));
  CompactModel compact(files);
  Decoder wide(files, at::kCPU, /*dense=*/true);
  compare(compact.decoder(), wide, kHalfNoise);
  BOOST_TEST((compact.facts().format == WeightFormat::dense));
  BOOST_TEST(compact.facts().describe().starts_with("weights dense, 16 bits each; linears "));
}

// A trained checkpoint holds the embedding in fp32.
BOOST_AUTO_TEST_CASE(a_head_shares_an_embedding_whose_values_fit_into_16_bits) {
  ModelFiles files = load_model_files(test::golden("nano"));
  const std::string name = "model.embed_tokens.weight";
  const at::Tensor wide = as_torch(*files.tensors.find(name)).to(at::kFloat);  // of bf16
  const auto facts = [&](const at::Tensor& embedding) {
    files.tensors.set(name, as_host(embedding));
    return CompactModel(files).facts();
  };
  for (const at::Tensor& fits : {wide, wide.to(at::kHalf).to(at::kFloat)}) {
    const CompactFacts shared = facts(fits);
    BOOST_TEST(shared.embedding_bytes == 0);
    BOOST_TEST(shared.head_bytes == 2 * wide.numel());
  }
  const CompactFacts apart = facts(wide * 1.001F);  // values of 24 bits
  BOOST_TEST(apart.embedding_bytes == 4 * wide.numel());
  BOOST_TEST(apart.head_bytes == 2 * wide.numel());
}

BOOST_AUTO_TEST_CASE(tables_of_more_than_16_entries_are_dense) {
  const ModelFiles files = load_model_files(test::golden("nano"));
  QuantScheme scheme;
  scheme.mlp_lut = 32;
  scheme.attn_lut = 32;
  scheme.mlp_rank = 1;
  scheme.attn_rank = 1;
  const QuantSpec wide_tables(body_linears(files.architecture), scheme, 16);
  Student student = Student::from_scratch(files, wide_tables, {}, at::kCPU, *make_single_communicator());
  CompactModel chosen(student.files(), student.layers(), WeightFormat::automatic);
  BOOST_TEST((chosen.facts().format == WeightFormat::dense));
  BOOST_TEST(chosen.facts().dense_rate == 0);  // there was nothing to choose
  BOOST_CHECK_EXCEPTION(CompactModel(student.files(), student.layers(), WeightFormat::packed), Error,
                        [](const Error& e) { return e.code() == ExitCode::usage && !e.hint().empty(); });
  // Where some can be packed, the others stay dense.
  scheme.attn_lut = 16;
  Student mixed = Student::from_scratch(files, QuantSpec(body_linears(files.architecture), scheme, 16), {},
                                        at::kCPU, *make_single_communicator());
  CompactModel some(mixed.files(), mixed.layers(), WeightFormat::packed);
  BOOST_TEST(some.facts().packed_linears == 8);
  mixed.set_evaluation();
  compare(some.decoder(), mixed.decoder(), kHalfNoise);
}

BOOST_AUTO_TEST_SUITE_END()
