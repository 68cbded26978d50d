// The reference's own shards, token by token: equal ids but for swaps of logits that fp32 cannot tell apart,
// and logits within one unit of binary16.
#include "anemll/core/half.hpp"
#include "anemll/formats/torch_file.hpp"
#include "anemll/model/model_files.hpp"
#include "src/model/decoder.hpp"
#include "src/teacher/internal/head_scores.hpp"
#include "tests/support/real_models.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

/// Two fp32 sums of the same products in another order.
constexpr double kSwapGap = 1e-5;

/// fp32 sums in another order through 30 layers: float64 lies between, 9e-6 rms to either side, so 1.3e-5 rms
/// between two processors; five times that. Only near zero is a unit of binary16 smaller. Widest swap
/// seen: 1.8e-5.
constexpr float kDeepNoise = 6.5e-5F;

/// One unit in the last place of binary16 at the size of `value`.
float half_unit(float value) {
  return std::ldexp(1.0F, std::max(std::ilogb(std::abs(value)), -14) - 10);
}

struct Tally {
  std::int64_t places = 0, swaps = 0;
  std::int64_t far = 0;    ///< logits more than a unit (and `noise`) apart
  std::int64_t wrong = 0;  ///< ids whose fp32 logits differ by kSwapGap (and `noise`) or more
  double widest_swap = 0;  ///< of fp32 logits
};

/// The first `sequences` rows of a reference's shard, eight at a time.
Tally compare(const std::filesystem::path& model, const std::filesystem::path& shard_file,
              std::int64_t sequences, float noise) {
  const at::NoGradGuard no_grad;
  const TensorMap shard = read_state_dict(shard_file);
  const HostTensor& tokens = *shard.find("input_ids");
  const HostTensor& idx = *shard.find("topk_idx");  // [N, S, K]
  const auto* their_ids = reinterpret_cast<const std::int32_t*>(idx.data);
  const auto* their_logits = reinterpret_cast<const std::uint16_t*>(shard.find("topk_logits")->data);
  const std::int64_t rows = std::min(idx.shape[0], sequences), positions = idx.shape[1], k = idx.shape[2];
  Decoder decoder(load_model_files(model), at::kCPU, /*dense=*/true);
  decoder.set_compute(at::kFloat);
  PayloadOptions options;
  options.topk = k;
  const at::Tensor ids = at::from_blob(const_cast<std::byte*>(tokens.data), {rows, positions + 1}, at::kInt);

  Tally tally;
  for (std::int64_t first = 0; first < rows; first += 8) {
    const at::Tensor part = ids.narrow(0, first, std::min<std::int64_t>(8, rows - first)).to(at::kLong);
    const at::Tensor hidden = decoder.hidden(part, {}).narrow(1, 0, positions).flatten(0, 1);
    const at::Tensor logits = decoder.logits(hidden).contiguous();
    TeacherPayload ours;
    score_head(hidden, decoder.head_weight(at::kFloat), first, positions, options, ours);
    const float* row = logits.const_data_ptr<float>();
    for (std::size_t i = 0; i < ours[kd::topk_idx].size(); ++i) {
      if (i > 0 && i % static_cast<std::size_t>(k) == 0) row += logits.size(1);
      const std::int64_t there = first * positions * k + static_cast<std::int64_t>(i);
      const float a = half_to_float(ours[kd::topk_logits][i]), b = half_to_float(their_logits[there]);
      const std::int32_t mine = ours[kd::topk_idx][i], theirs = their_ids[there];
      ++tally.places;
      if (std::abs(a - b) > std::max(noise, half_unit(std::max(std::abs(a), std::abs(b))))) ++tally.far;
      if (mine != theirs) ++tally.swaps;
      const double gap = std::abs(double{row[mine]} - double{row[theirs]});
      tally.widest_swap = std::max(tally.widest_swap, gap);
      if (gap >= std::max(kSwapGap, double{noise})) ++tally.wrong;
    }
  }
  return tally;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(teacher_reference)

BOOST_AUTO_TEST_CASE(nano_equals_the_reference) {
  for (const std::string name : {"alpaca_false", "alpaca_true", "alpaca_both", "alpaca_none", "alpaca_all",
                                 "dolly_false", "openhermes_true", "sharegpt_both", "plain"}) {
    const Tally tally =
        compare(test::golden("nano"), test::golden("precompute/" + name + "/shard_00000.pt"), 32, 0);
    BOOST_TEST(tally.places > 0);
    BOOST_TEST(tally.far == 0, name << ": " << tally.far << " logits");
    BOOST_TEST(tally.wrong == 0, name << ": " << tally.wrong << " ids");
  }
}

BOOST_AUTO_TEST_CASE(smollm2_equals_the_reference, *test::needs_models({"smollm2", "smollm2-cache"})) {
  const Tally tally = compare(test::test_models() / "smollm2",
                              test::test_models() / "smollm2-cache/shard_00000.pt", 64, kDeepNoise);
  BOOST_TEST_MESSAGE(tally.places << " places, " << tally.swaps << " swaps, the widest "
                                  << tally.widest_swap);
  BOOST_TEST(tally.places > 0);
  BOOST_TEST(tally.far == 0, tally.far << " logits");
  BOOST_TEST(tally.wrong == 0, tally.wrong << " ids");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
