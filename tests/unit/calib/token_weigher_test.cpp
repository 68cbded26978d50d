// Fisher weights of the nano model: against difference quotients of the loss, which know nothing of its
// backward pass; the labels; masks and shares.
#include "src/calib/token_weigher.hpp"

#include "anemll/comm/communicator.hpp"
#include "anemll/model/model_files.hpp"
#include "src/model/decoder.hpp"
#include "tests/support/temp_dir.hpp"

#include <array>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

constexpr std::int64_t kTokens = 6;
// Difference quotients of a loss in fp32: rounding of 1e-7 over twice the step, and the step's own square.
constexpr float kStep = 2e-2F;
constexpr double kQuotients = 0.03;  // relative, of a mean of squares

const ModelFiles& nano() {
  static const ModelFiles files = load_model_files(test::golden("nano"));
  return files;
}

at::Tensor ids_of(std::int64_t rows) {
  return at::arange(1, rows * kTokens + 1, at::kLong).mul(2654435).remainder(4093).view({rows, kTokens});
}

TokenWeigher fisher(const at::Tensor& ids, const at::Tensor& mask, SequenceShare share) {
  const auto comm = make_single_communicator();
  return {TokenWeight::fisher, nano(), ids, mask, share, *comm};
}

/// A linear whose output is moved at one place.
class Moved final : public Linear {
 public:
  Moved(std::unique_ptr<Linear> own, const at::Tensor* by) : own_(std::move(own)), by_(by) {}
  at::Tensor forward(const at::Tensor& x) override { return own_->forward(x) + *by_; }

 private:
  std::unique_ptr<Linear> own_;
  const at::Tensor* by_;
};

/// The weight of one linear at one token, by moving each of its outputs a little to both sides.
double by_quotients(const at::Tensor& ids, std::size_t slot, std::int64_t token) {
  Decoder decoder(nano(), at::kCPU, true);
  const at::Tensor labels = sampled_labels(decoder.logits(decoder.hidden(ids, {})).select(0, 0), 0);
  Decoder::Slot& watched = decoder.slots()[slot];
  at::Tensor by = at::zeros({1, kTokens, watched.spec.out});
  watched.linear = std::make_unique<Moved>(std::move(watched.linear), &by);
  const auto loss = [&](std::int64_t output, float step) {
    by[0][token][output] = step;
    const at::Tensor logits = decoder.logits(decoder.hidden(ids, {})).select(0, 0).to(at::kDouble);
    by[0][token][output] = 0;
    return -at::log_softmax(logits, 1).gather(1, labels.unsqueeze(1)).sum().item<double>();
  };
  double squares = 0;
  for (std::int64_t j = 0; j < watched.spec.out; ++j) {
    const double slope = (loss(j, kStep) - loss(j, -kStep)) / (2 * kStep);
    squares += slope * slope;
  }
  return squares / static_cast<double>(watched.spec.out);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(calib_token_weigher)

BOOST_AUTO_TEST_CASE(fisher_is_the_mean_squared_slope_of_the_loss) {
  const at::NoGradGuard no_grad;
  const at::Tensor ids = ids_of(1);
  const TokenWeigher weigher = fisher(ids, {}, {0, 1});
  const auto weight = [&](std::size_t block, InputGroup input, std::int64_t token) {
    return static_cast<double>(weigher.weights(0, block, input, {})[token].item<float>());
  };
  BOOST_TEST(weight(0, InputGroup::o, 2) == by_quotients(ids, 3, 2),
             boost::test_tools::tolerance(kQuotients));  // o
  BOOST_TEST(weight(1, InputGroup::down, 0) == by_quotients(ids, 13, 0),
             boost::test_tools::tolerance(kQuotients));  // down
  const double gate = by_quotients(ids, 4, 5), up = by_quotients(ids, 5, 5);
  BOOST_TEST(weight(0, InputGroup::gate_up, 5) == (gate + up) / 2, boost::test_tools::tolerance(kQuotients));
  double three = 0;
  for (const std::size_t slot : {std::size_t{0}, std::size_t{1}, std::size_t{2}})
    three += by_quotients(ids, slot, 1) / 3;
  BOOST_TEST(weight(0, InputGroup::qkv, 1) == three, boost::test_tools::tolerance(kQuotients));
}

BOOST_AUTO_TEST_CASE(a_row_weighs_the_same_in_any_share) {
  const at::Tensor ids = ids_of(3);
  const TokenWeigher all = fisher(ids, {}, {0, 3}), last = fisher(ids, {}, {2, 3});
  BOOST_TEST(all.weights(2, 1, InputGroup::o, {}).equal(last.weights(2, 1, InputGroup::o, {})));
  BOOST_TEST(!all.weights(2, 1, InputGroup::o, {}).equal(all.weights(1, 1, InputGroup::o, {})));
}

BOOST_AUTO_TEST_CASE(tokens_that_do_not_count_have_no_loss) {
  const at::Tensor ids = ids_of(1);
  at::Tensor mask = at::ones({1, kTokens}, at::kByte);
  mask[0][kTokens - 1] = 0;
  const at::Tensor weights = fisher(ids, mask, {0, 1}).weights(0, 0, InputGroup::down, {});
  BOOST_TEST(weights[kTokens - 1].item<float>() == 0.0F);
  BOOST_TEST(weights[0].item<float>() > 0.0F);
}

BOOST_AUTO_TEST_CASE(labels_are_drawn_from_the_probabilities) {
  constexpr std::int64_t kDraws = 20000;
  const std::array<double, 4> probabilities = {0.5, 0.25, 0.2, 0.05};
  const at::Tensor row = at::tensor({0.5F, 0.25F, 0.2F, 0.05F}).log().add(3);
  const at::Tensor labels = sampled_labels(row.expand({kDraws, 4}), 7);
  double chi_square = 0;
  for (std::size_t v = 0; v < probabilities.size(); ++v) {
    const double expected = probabilities[v] * kDraws;
    const double seen = labels.eq(static_cast<std::int64_t>(v)).sum().item<double>();
    chi_square += (seen - expected) * (seen - expected) / expected;
  }
  BOOST_TEST(chi_square < 16.27);  // 3 degrees of freedom, p = 0.001; draws are fixed
  BOOST_TEST(labels.equal(sampled_labels(row.expand({kDraws, 4}), 7)));
  BOOST_TEST(!labels.equal(sampled_labels(row.expand({kDraws, 4}), 8)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
