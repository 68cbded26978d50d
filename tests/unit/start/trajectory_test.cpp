// Streams of sequences block by block, and what the linears of a block are given, against whole passes.
#include "src/start/internal/trajectory.hpp"

#include "src/model/torch_bridge.hpp"
#include "src/start/internal/float_linear.hpp"
#include "tests/unit/start/nano_start.hpp"

#include <memory>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

/// Shows its inputs, and does what the linear in its place did.
class Seen final : public Linear {
 public:
  Seen(std::unique_ptr<Linear> own, at::Tensor& input) : own_(std::move(own)), input_(input) {}
  at::Tensor forward(const at::Tensor& x) override {
    input_ = x.clone();
    return own_->forward(x);
  }

 private:
  std::unique_ptr<Linear> own_;
  at::Tensor& input_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(trajectory)

BOOST_AUTO_TEST_CASE(a_sequence_goes_through_all_blocks_as_in_one_pass) {
  const at::NoGradGuard no_grad;
  const at::Tensor ids = made_up_ids(3, 12, 7);
  at::Tensor mask = at::ones({3, 12}, at::kByte);
  mask.select(0, 2).narrow(0, 8, 4).zero_();
  Decoder decoder(nano(), at::kCPU, true);
  Trajectory walk(decoder, ids, mask, {0, 2});
  for (std::size_t i = 0; i < walk.count(); ++i) {
    walk.move(i, walk.behind(0, i));
    const AttentionState state = decoder.begin(12, mask.narrow(0, walk.row(i), 1));
    const Stream stream =
        decoder.block(1, decoder.block(0, decoder.embed(ids.narrow(0, walk.row(i), 1)), state), state);
    BOOST_TEST(walk.behind(1, i).equal(stream.hidden.add(stream.delta)));
  }
}

BOOST_AUTO_TEST_CASE(inputs_are_those_of_a_whole_pass_and_need_no_weights_behind) {
  const at::NoGradGuard no_grad;
  const at::Tensor ids = made_up_ids(2, 12, 7);
  Decoder decoder(nano(), at::kCPU, true);
  std::vector<at::Tensor> seen(kLayerLinears);
  for (std::size_t i = 0; i < kLayerLinears; ++i)
    decoder.slots()[i].linear = std::make_unique<Seen>(std::move(decoder.slots()[i].linear), seen[i]);
  Trajectory walk(decoder, ids, {}, {1});
  const at::Tensor behind = walk.behind(0, 0);
  const std::vector<at::Tensor> whole = seen;
  std::vector<std::unique_ptr<Linear>> own(kLayerLinears);
  for (std::size_t i = 0; i < kLayerLinears; ++i) own[i] = std::move(decoder.slots()[i].linear);
  walk.enter(0);
  for (const LinearGroup& group : kLinearGroups) {
    const at::Tensor input = walk.input(0);
    for (std::size_t i = group.first; i < group.first + group.count; ++i) {
      BOOST_TEST(input.equal(whole[i].flatten(0, 1)));
      decoder.slots()[i].linear = std::move(own[i]);
    }
    walk.step(0, group.input);
  }
  BOOST_TEST(walk.left(0).equal(behind));
  walk.move(0, behind);
  BOOST_TEST(walk.behind(1, 0).defined());
}

BOOST_AUTO_TEST_SUITE_END()
