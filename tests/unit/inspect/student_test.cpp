// A whole student on real rows: outputs against plain formulas, gradients against differences of the loss.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "src/data/first_rows.hpp"
#include "src/distill/sample_scores.hpp"
#include "src/inspect/inspection.hpp"
#include "src/inspect/kd_gradients.hpp"
#include "src/model/torch_bridge.hpp"
#include "tests/support/open_student.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

constexpr std::int64_t kRows = 3;
// fp32 against double.
constexpr double kFloat = 1e-4;
// Second order of the difference, and fp32 noise of a loss of some hundred tokens.
constexpr double kDifference = 0.05;

struct Nano {
  ModelFiles files = load_model_files(test::golden("nano"));
  Student student = test::open_student(files, test::golden("nano/v2_q2a4_init.pt"));
  test::TempDir dir;
  KdBatch rows =
      read_first_rows(test::golden("nano/cache"), dir.path(), kRows, {files.architecture.vocab_size});

  Nano() { student.set_evaluation(); }
  at::Tensor tensor(const std::string& name) const {
    return as_torch(*files.tensors.find(name)).to(at::kDouble);
  }
  at::Tensor ids() const {
    const auto values = rows[kd::input_ids];
    return at::tensor(std::vector<std::int64_t>(values.begin(), values.end()), at::kLong)
        .view({rows.rows, rows.length});
  }
};

double relative(const at::Tensor& value, const at::Tensor& wanted) {
  return value.to(at::kDouble).sub(wanted.to(at::kDouble)).norm().item<double>() /
         wanted.to(at::kDouble).norm().item<double>();
}

at::Tensor stream_behind(Decoder& decoder, const at::Tensor& ids) {
  const at::NoGradGuard no_grad;
  const AttentionState state = decoder.begin(ids.size(1), {});
  Stream stream = decoder.embed(ids);
  for (std::size_t b = 0; b < decoder.architecture().layers.size(); ++b)
    stream = decoder.block(b, stream, state);
  return stream.hidden + stream.delta;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(inspect_student)

BOOST_AUTO_TEST_CASE(outputs_of_the_first_linears_by_a_plain_formula) {
  Nano nano;
  const OutputErrors errors = output_errors(nano.files, nano.student, token_rows(nano.rows), at::kCPU);
  BOOST_REQUIRE_EQUAL(errors.linears.size(), nano.student.layers().size());
  const at::Tensor embedded = nano.tensor("model.embed_tokens.weight").index({nano.ids()});
  const at::Tensor mean = embedded.square().mean(-1, true);
  const at::Tensor x = embedded * (mean + nano.files.architecture.rms_norm_eps).rsqrt() *
                       nano.tensor("model.layers.0.input_layernorm.weight");
  for (std::size_t i = 0; i < 3; ++i) {  // q, k, v have this input
    const QuantLayer& layer = *nano.student.layers()[i];
    const at::Tensor y = x.matmul(nano.tensor(layer.name() + ".weight").t());
    const at::Tensor quantised = x.matmul(layer.effective_weight(at::kFloat).to(at::kDouble).t());
    const ErrorSums& sums = errors.linears[i];
    BOOST_TEST_CONTEXT(layer.name()) {
      BOOST_TEST(sums.count == y.numel());
      BOOST_CHECK_CLOSE_FRACTION(sums.relative(), relative(quantised, y), kFloat);
      BOOST_CHECK_CLOSE_FRACTION(sums.mean_absolute(), (quantised - y).abs().mean().item<double>(), kFloat);
      BOOST_CHECK_CLOSE_FRACTION(sums.root_mean_square(),
                                 (quantised - y).square().mean().sqrt().item<double>(), kFloat);
      BOOST_TEST(sums.relative() > 0.01);  // 4 bits are no equality
    }
  }
}

BOOST_AUTO_TEST_CASE(blocks_by_whole_passes) {
  Nano nano;
  const OutputErrors errors = output_errors(nano.files, nano.student, token_rows(nano.rows), at::kCPU);
  Decoder teacher(nano.files, at::kCPU, true);
  BOOST_REQUIRE_EQUAL(errors.blocks.size(), nano.files.architecture.layers.size());
  const double behind_all =
      relative(stream_behind(nano.student.decoder(), nano.ids()), stream_behind(teacher, nano.ids()));
  BOOST_CHECK_CLOSE_FRACTION(errors.blocks.back().stream.relative(), behind_all, kFloat);

  // The first block alone: both get the embedding.
  const at::NoGradGuard no_grad;
  const AttentionState state = teacher.begin(nano.rows.length, {});
  const AttentionState own = nano.student.decoder().begin(nano.rows.length, {});
  const Stream start = teacher.embed(nano.ids());
  const Stream wanted = teacher.block(0, start, state);
  const Stream value = nano.student.decoder().block(0, start, own);
  BOOST_CHECK_CLOSE_FRACTION(
      errors.blocks.front().own.relative(),
      relative(value.hidden + value.delta - start.hidden, wanted.hidden + wanted.delta - start.hidden),
      kFloat);
}

BOOST_AUTO_TEST_CASE(masked_positions_do_not_count) {
  Nano nano;
  constexpr std::int64_t kMasked = 5;
  const auto mask = nano.rows[kd::attention_mask];
  std::fill(mask.begin() + (nano.rows.length - kMasked), mask.begin() + nano.rows.length, std::uint8_t{0});
  const OutputErrors errors = output_errors(nano.files, nano.student, token_rows(nano.rows), at::kCPU);
  const std::int64_t positions = nano.rows.rows * nano.rows.length - kMasked;
  BOOST_TEST(errors.linears[0].count == positions * nano.student.layers()[0]->out());
  BOOST_TEST(errors.blocks[0].own.count == positions * nano.files.architecture.hidden_size);
}

BOOST_AUTO_TEST_CASE(gradients_are_slopes_of_the_evaluations_loss) {
  Nano nano;
  const KdLossOptions options;  // the evaluation's: no hard terms, temperature 2
  const KdLossSums sums = kd_gradients(nano.student, nano.rows, options, at::kCPU);
  BOOST_TEST(sums.tokens > 0);
  const auto comm = make_single_communicator();
  const double loss = sample_kd_loss(nano.student.decoder(), nano.rows, options.temperature, *comm);
  BOOST_CHECK_CLOSE_FRACTION(sums.total / sums.tokens, loss, kFloat);

  const Inspection found = inspect_layers(nano.student, nano.files, nullptr, at::kCPU, 1 / sums.tokens);
  QuantLayer& layer = *nano.student.layers().back();
  const auto row = std::find_if(found.layers.begin(), found.layers.end(),
                                [&](const LayerStatistics& l) { return l.name == layer.name(); });
  BOOST_REQUIRE(row != found.layers.end());
  for (const LayerTensor& tensor : layer.tensor_table()) {
    if (tensor.row.suffix != ".scale_A") continue;
    const double norm = row->a.gradient.value();
    const at::Tensor direction = tensor.slot->grad() / tensor.slot->grad().norm();
    const double step = 0.01 * tensor.slot->norm().item<double>();
    const auto loss_at = [&](double by) {
      const at::NoGradGuard no_grad;
      tensor.slot->add_(direction, by);
      nano.student.set_evaluation();
      const double there = sample_kd_loss(nano.student.decoder(), nano.rows, options.temperature, *comm);
      tensor.slot->sub_(direction, by);
      return there;
    };
    const double slope = (loss_at(step) - loss_at(-step)) / (2 * step);
    BOOST_CHECK_CLOSE_FRACTION(norm, slope, kDifference);
  }
}

BOOST_AUTO_TEST_CASE(a_text_is_cut_into_rows) {
  const std::vector<std::int32_t> ids{1, 2, 3, 4, 5, 6, 7};
  const TokenRows rows = token_rows(ids, 8, 3, 10, "text");
  BOOST_TEST(rows.rows() == 2);  // the rest of one token is left out
  BOOST_TEST(!rows.mask.defined());
  BOOST_TEST(rows.ids[1][2].item<std::int64_t>() == 6);
  BOOST_TEST(token_rows(ids, 1, 3, 10, "text").rows() == 1);
  BOOST_TEST(token_rows(ids, 8, 100, 10, "text").ids.size(1) == 7);
  BOOST_CHECK_THROW(token_rows(std::vector<std::int32_t>{}, 8, 3, 10, "text"), Error);
  BOOST_CHECK_THROW(token_rows(ids, 8, 3, 5, "text"), Error);
}

BOOST_AUTO_TEST_CASE(looking_changes_nothing) {
  Nano nano;
  const TokenRows rows = token_rows(nano.rows);
  const auto comm = make_single_communicator();
  const double before = sample_kd_loss(nano.student.decoder(), nano.rows, 2, *comm);
  const Inspection found = inspect_layers(nano.student, nano.files, &rows, at::kCPU, 1);
  BOOST_TEST(found.layers.size() == nano.student.layers().size());
  BOOST_TEST(found.layers.front().output->relative() >= found.layers.back().output->relative());
  BOOST_TEST(sample_kd_loss(nano.student.decoder(), nano.rows, 2, *comm) == before);
}

BOOST_AUTO_TEST_SUITE_END()
