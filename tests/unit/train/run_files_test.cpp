// The small pure parts of a run: saved numbers, batches as tensors, sampled negatives.
#include "src/train/batch_tensors.hpp"
#include "src/train/run_state.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <ATen/ATen.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

KdBatch batch_of(std::int64_t rows, std::int64_t length, std::int64_t topk) {
  KdBatch b;
  b.rows = rows;
  b.length = length;
  b.positions = length - 1;
  b.topk = topk;
  b.input_ids.assign(static_cast<std::size_t>(rows * length), 1);
  b.attention_mask.assign(static_cast<std::size_t>(rows * length), 1);
  b.topk_idx.resize(static_cast<std::size_t>(rows * b.positions * topk));
  for (std::size_t i = 0; i < b.topk_idx.size(); ++i) b.topk_idx[i] = static_cast<std::int32_t>(i % 7);
  b.topk_logits.assign(b.topk_idx.size(), 0x3C00);
  b.row_weight.assign(static_cast<std::size_t>(rows), 1.0F);
  return b;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(run_files)

BOOST_AUTO_TEST_CASE(state_reads_back_bit_for_bit) {
  RunState s;
  s.step = 12;
  s.best_loss = 0.1 + 0.2;
  s.window_loss = 1.0 / 3.0;
  s.last_eval = std::numeric_limits<double>::quiet_NaN();
  const RunState t = RunState::from_json(s.to_json());
  BOOST_TEST(t.step == 12);
  BOOST_TEST((t.best_loss == s.best_loss && t.window_loss == s.window_loss));
  BOOST_TEST(std::isnan(t.last_eval));
  BOOST_TEST(std::isinf(RunState::from_json(RunState().to_json()).best_loss));
}

BOOST_AUTO_TEST_CASE(masked_positions_and_padding_rows_do_not_count) {
  KdBatch b = batch_of(2, 4, 3);
  BOOST_TEST(!to_tensors(b, at::kCPU).mask.defined());
  b.row_weight[1] = 0;
  BatchTensors t = to_tensors(b, at::kCPU);
  BOOST_TEST(t.targets.weight.sum().item<float>() == 3.0F);
  BOOST_TEST(!t.mask.defined());
  b.attention_mask[3] = 0;  // the last token of row 0: the position that predicts it drops out
  t = to_tensors(b, at::kCPU);
  BOOST_TEST(t.mask.defined());
  BOOST_TEST(t.targets.weight.sum().item<float>() == 2.0F);
}

BOOST_AUTO_TEST_CASE(negatives_avoid_candidates_and_depend_on_the_sample_only) {
  const KdBatch b = batch_of(3, 5, 6);
  const std::vector<std::int64_t> rows = {4, 9, 2};
  const at::Tensor all = sample_negatives(b, rows, 50, 8, 3, 17);
  const auto* ids = all.data_ptr<std::int32_t>();
  for (std::int64_t i = 0; i < all.numel(); ++i) {
    const std::int64_t position = i / 8;
    for (std::int64_t k = 0; k < 6; ++k)
      BOOST_TEST(ids[i] != b.topk_idx[static_cast<std::size_t>(position * 6 + k)]);
    BOOST_TEST((ids[i] >= 0 && ids[i] < 50));
  }
  BOOST_TEST(all.equal(sample_negatives(b, rows, 50, 8, 3, 17)));
  BOOST_TEST(!all.equal(sample_negatives(b, rows, 50, 8, 3, 18)));
  BOOST_TEST(!all.equal(sample_negatives(b, rows, 50, 8, 4, 17)));
}

BOOST_AUTO_TEST_SUITE_END()
