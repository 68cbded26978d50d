// train_e2e on ranks: all of them end with one model.
#include "anemll/anemll.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;
using test::golden;

BOOST_AUTO_TEST_SUITE(mpi_api)

BOOST_AUTO_TEST_CASE(ranks_train_one_model) {
  MpiRuntime mpi(nullptr, nullptr);
  const auto world = mpi.world();
  set_log_rank(world->rank(), world->size());
  const test::TempDir dir;  // rank 0's counts
  std::string output = (dir / "run").string();
  broadcast_string(*world, output, 0);

  Model model = Model::open(golden("nano").string());
  load_v2_checkpoint(model, golden("nano/v2_q2a4_init.pt"));
  const at::Tensor before = model.weight("model.layers.1.mlp.down_proj");
  TrainOptions options;
  options.cache_dir = golden("nano/cache").string();
  options.output_dir = output;
  options.max_steps = 4;
  options.warmup_steps = 1;
  options.lr = 5e-4;
  options.batch_size = 4;
  options.eval_samples = 4;
  options.precision = Precision::fp32;
  options.threads = 1;
  const TrainResult run = train_e2e(model, options, *world, mpi.host());
  BOOST_TEST(run.steps == 4);
  BOOST_TEST(run.best_loss < run.initial_loss);

  const at::Tensor weight = model.weight("model.layers.1.mlp.down_proj");
  BOOST_TEST(!weight.equal(before));
  const std::span<const float> mine(weight.const_data_ptr<float>(), static_cast<std::size_t>(weight.numel()));
  std::vector<float> all(mine.size() * static_cast<std::size_t>(world->size()));
  world->all_gather(std::as_bytes(mine), std::as_writable_bytes(std::span(all)));
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i] != mine[i % mine.size()]) {
      BOOST_ERROR("ranks differ at " + std::to_string(i));
      break;
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
