// train_e2e on ranks: all of them end with one model, or with an error that says which tensors differ.
#include "anemll/anemll.hpp"
#include "src/comm/forwarding_communicator.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;
using test::golden;

namespace {

namespace fs = std::filesystem;

Model nano_student() {
  Model model = Model::open(golden("nano").string());
  load_v2_checkpoint(model, golden("nano/v2_q2a4_init.pt"));
  return model;
}

TrainOptions few_steps(const fs::path& output, std::int64_t steps) {
  TrainOptions options;
  options.cache_dir = golden("nano/cache").string();
  options.output_dir = output.string();
  options.max_steps = steps;
  options.warmup_steps = 1;
  options.lr = 5e-4;
  options.batch_size = 4;
  options.eval_samples = 4;
  options.precision = Precision::fp32;
  options.threads = 1;
  return options;
}

/// A folder that all ranks know; rank 0's counts.
fs::path shared_folder(Communicator& comm, const fs::path& mine) {
  std::string folder = mine.string();
  broadcast_string(comm, folder, 0);
  return folder;
}

/// Gives rank 1 another first gradient than the other ranks have, as a broken memory would, while `drifts`
/// holds.
class DriftingCommunicator : public ForwardingCommunicator {
 public:
  DriftingCommunicator(Communicator& inner, std::function<bool()> drifts)
      : ForwardingCommunicator(inner), drifts_(std::move(drifts)) {}

  std::unique_ptr<PendingReduce> all_reduce_async(float* data, std::size_t count, void* stream) override {
    auto sum = ForwardingCommunicator::all_reduce_async(data, count, stream);
    if (rank() != 1 || !drifts_()) return sum;
    struct Drifted : PendingReduce {
      std::unique_ptr<PendingReduce> sum;
      float* first;
      Drifted(std::unique_ptr<PendingReduce> reduction, float* value)
          : sum(std::move(reduction)), first(value) {}
      void wait() override {
        sum->wait();
        *first = -*first;
      }
    };
    return std::make_unique<Drifted>(std::move(sum), data);
  }

 private:
  std::function<bool()> drifts_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(mpi_api)

BOOST_AUTO_TEST_CASE(ranks_train_one_model) {
  MpiRuntime mpi(nullptr, nullptr);
  const auto world = mpi.world();
  set_log_rank(world->rank(), world->size());
  const test::TempDir dir;
  Model model = nano_student();
  const at::Tensor before = model.weight("model.layers.1.mlp.down_proj");
  const TrainResult run =
      train_e2e(model, few_steps(shared_folder(*world, dir / "run"), 4), *world, mpi.host());
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

BOOST_AUTO_TEST_CASE(a_rank_that_drifts_ends_the_run_before_it_is_saved) {
  MpiRuntime mpi(nullptr, nullptr);
  const auto world = mpi.world();
  set_log_rank(world->rank(), world->size());
  const test::TempDir dir;
  // States are saved at steps 2 and 4, and the drift begins behind the first of them.
  for (const std::int64_t check_replicas : {0, 1}) {
    const fs::path output = shared_folder(*world, dir / ("run" + std::to_string(check_replicas)));
    const fs::path latest = output / "state/latest";
    DriftingCommunicator drifting(
        *world, [&] { return test::read_all(latest).find("step_00000002") != std::string::npos; });
    TrainOptions options = few_steps(output, 8);
    options.state_steps = 2;
    options.logging_steps = 1;
    options.check_replicas = check_replicas;
    Model model = nano_student();
    std::optional<Error> error;
    try {
      train_e2e(model, options, drifting, mpi.host());
    } catch (const Error& e) {
      error = e;
    }
    BOOST_REQUIRE(error);
    BOOST_TEST((error->code() == ExitCode::communication));
    BOOST_TEST(error->problem().starts_with("the ranks' parameters have drifted apart in "),
               error->problem());
    BOOST_TEST((error->problem().find("on rank 1") != std::string::npos), error->problem());
    BOOST_TEST((error->problem().find("scale_A") != std::string::npos), error->problem());
    if (!world->is_root()) continue;
    BOOST_TEST((test::read_all(latest).find("step_00000002") != std::string::npos), test::read_all(latest));
    BOOST_TEST(!fs::exists(output / "state/step_00000004"));
    // Compared at each step, the drift ends the run in the step that brings it.
    const std::string log = test::read_all(output / "training_log.csv");
    BOOST_TEST((log.find("\n3,") != std::string::npos), log);
    BOOST_TEST((log.find("\n4,") == std::string::npos) == (check_replicas == 1), log);
  }
}

BOOST_AUTO_TEST_SUITE_END()
