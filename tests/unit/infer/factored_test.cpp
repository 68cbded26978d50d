// Rank by rank in half: near the same model, and counting what half cannot hold.
#include "src/infer/factored.hpp"

#include "src/student/student.hpp"
#include "tests/support/open_student.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstdint>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

// Of the largest logit: every product, part and sum of 14 linears is rounded to 11 bits.
constexpr double kHalfNoise = 2e-2;

Student trained() {
  return test::open_student(load_model_files(test::golden("nano")), test::golden("nano/v2_q2a4_trained.pt"));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_factored)

BOOST_AUTO_TEST_CASE(it_is_the_same_model_up_to_half) {
  const at::NoGradGuard no_grad;
  Student student = trained();
  student.set_evaluation();
  FactoredModel factored(student.files(), student.layers(), at::kCPU);
  const at::Tensor ids = at::arange(12, at::kLong).mul(37).unsqueeze(0);
  const at::Tensor expected = student.decoder().logits(student.decoder().hidden(ids, {}));
  const at::Tensor actual = factored.decoder().logits(factored.decoder().hidden(ids, {}));
  const double largest = expected.abs().max().item<double>();
  const double difference = (actual - expected).abs().max().item<double>();
  BOOST_TEST(difference < kHalfNoise * largest);
  BOOST_TEST(difference > 0);  // it was rounded
  BOOST_TEST_REQUIRE(factored.ranges().size() == 14U);
  for (const auto& range : factored.ranges()) {
    BOOST_TEST(range->values > 0);
    BOOST_TEST(range->beyond == 0);
    BOOST_TEST(range->infinite_sums == 0);
  }
  BOOST_TEST(factored.ranges().front()->layer == "model.layers.0.self_attn.q_proj");
}

BOOST_AUTO_TEST_CASE(values_beyond_half_and_infinite_sums_are_counted) {
  const at::NoGradGuard no_grad;
  Student student = trained();
  FactoredModel factored(student.files(), student.layers(), at::kCPU);
  Decoder::Slot& slot = factored.decoder().slots()[0];
  at::Tensor x = at::zeros({1, slot.spec.in});
  x.select(1, 0).fill_(1e5);
  slot.linear->forward(x);
  const HalfRange& range = *factored.ranges()[0];
  BOOST_TEST(range.beyond > slot.spec.out);  // the input, and what became of it
  BOOST_TEST(range.infinite_sums > 0);
  BOOST_TEST(range.infinite_sums <= slot.spec.out);  // a sum becomes infinite once
  BOOST_TEST(factored.ranges()[1]->values == 0);
}

BOOST_AUTO_TEST_SUITE_END()
