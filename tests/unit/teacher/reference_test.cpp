// The reference's own shards, token by token: equal ids but for swaps of logits that fp32 cannot tell apart,
// and logits within one unit of binary16.
#include "anemll/core/half.hpp"
#include "anemll/formats/torch_file.hpp"
#include "anemll/model/model_files.hpp"
#include "src/model/decoder.hpp"
#include "src/teacher/head_scores.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

/// Two fp32 sums of the same products in another order.
constexpr double kSwapGap = 1e-5;

/// One unit in the last place of binary16 at the size of `value`.
float half_unit(float value) {
  return std::ldexp(1.0F, std::max(std::ilogb(std::abs(value)), -14) - 10);
}

void check(const std::string& name) {
  const TensorMap shard = read_state_dict(test::golden("precompute/" + name + "/shard_00000.pt"));
  const HostTensor& tokens = *shard.find("input_ids");
  const HostTensor& idx = *shard.find("topk_idx");  // [N, S, K]
  const auto* their_ids = reinterpret_cast<const std::int32_t*>(idx.data);
  const auto* their_logits = reinterpret_cast<const std::uint16_t*>(shard.find("topk_logits")->data);
  const std::int64_t rows = idx.shape[0], positions = idx.shape[1], k = idx.shape[2];

  Decoder decoder(load_model_files(test::golden("nano")), at::kCPU, /*dense=*/true);
  decoder.set_compute(at::kFloat);
  const at::Tensor ids = at::from_blob(const_cast<std::byte*>(tokens.data), {rows, positions + 1}, at::kInt);
  const at::Tensor hidden = decoder.hidden(ids.to(at::kLong), {}).narrow(1, 0, positions).flatten(0, 1);
  const at::Tensor logits = decoder.logits(hidden).contiguous();
  PayloadOptions options;
  options.topk = k;
  TeacherPayload ours;
  score_head(hidden, decoder.head_weight(at::kFloat), 0, positions, options, ours);

  const float* row = logits.const_data_ptr<float>();
  std::int64_t far = 0, wrong = 0;
  for (std::int64_t token = 0; token < rows * positions; ++token, row += logits.size(1)) {
    for (std::int64_t i = token * k; i < (token + 1) * k; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const float a = half_to_float(ours.topk_logits[at]), b = half_to_float(their_logits[i]);
      if (std::abs(a - b) > half_unit(std::max(std::abs(a), std::abs(b)))) ++far;
      if (std::abs(double{row[ours.topk_idx[at]]} - double{row[their_ids[i]]}) >= kSwapGap) ++wrong;
    }
  }
  BOOST_TEST(far == 0, name << ": " << far << " logits differ by more than one unit");
  BOOST_TEST(wrong == 0, name << ": " << wrong << " ids differ in value");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(teacher_reference)

BOOST_AUTO_TEST_CASE(ids_and_logits_are_the_references) {
  const at::NoGradGuard no_grad;
  for (const char* name : {"alpaca_false", "alpaca_true", "alpaca_both", "alpaca_none", "alpaca_all",
                           "dolly_false", "openhermes_true", "sharegpt_both", "plain"}) {
    check(name);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
