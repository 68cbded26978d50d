// Which backend sums gradients and why; and that sums by way of the host are those of the host.
#include "src/train/internal/reduction_backend.hpp"

#include "anemll/core/error.hpp"

#include <mutex>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

const at::Device kCpu(at::kCPU), kGpu(at::kCUDA, 0);

bool asks_for(const Error& e, const char* word) {
  return e.code() == ExitCode::usage && e.hint().find(word) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(reduction_backend)

BOOST_AUTO_TEST_CASE(auto_takes_nccl_where_it_can) {
  const auto chosen = [](int ranks, at::Device device, bool has_nccl) {
    return choose_backend(BackendChoice::automatic, ranks, device, has_nccl).choice;
  };
  BOOST_TEST((chosen(2, kGpu, true) == BackendChoice::nccl));
  BOOST_TEST((chosen(2, kGpu, false) == BackendChoice::mpi));
  BOOST_TEST((chosen(2, kCpu, true) == BackendChoice::mpi));
  BOOST_TEST((chosen(1, kGpu, true) == BackendChoice::mpi));
}

BOOST_AUTO_TEST_CASE(what_is_asked_for_is_taken_or_refused) {
  BOOST_TEST((choose_backend(BackendChoice::mpi, 2, kGpu, true).choice == BackendChoice::mpi));
  BOOST_TEST((choose_backend(BackendChoice::nccl, 2, kGpu, true).choice == BackendChoice::nccl));
  BOOST_CHECK_EXCEPTION(choose_backend(BackendChoice::nccl, 2, kCpu, true), Error,
                        [](const Error& e) { return asks_for(e, "--device cuda"); });
  BOOST_CHECK_EXCEPTION(choose_backend(BackendChoice::nccl, 2, kGpu, false), Error,
                        [](const Error& e) { return asks_for(e, "cuda preset"); });
}

BOOST_AUTO_TEST_CASE(what_is_told_is_what_happens) {
  const auto told = [](BackendChoice wanted, int ranks, at::Device device) {
    return tell(choose_backend(wanted, ranks, device, true), ranks);
  };
  const std::string nobody = "gradients are summed by nobody: there is one rank, and nothing to sum";
  BOOST_TEST(told(BackendChoice::nccl, 1, kGpu) == nobody);
  BOOST_TEST(told(BackendChoice::mpi, 1, kCpu) == nobody);
  BOOST_TEST(told(BackendChoice::nccl, 2, kGpu) == "gradients are summed by nccl: --backend says so");
  BOOST_TEST(told(BackendChoice::automatic, 2, kCpu) ==
             "gradients are summed by mpi: the ranks compute on CPUs");
  // One rank is refused what several are.
  for (const int ranks : {1, 2}) {
    BOOST_CHECK_EXCEPTION(choose_backend(BackendChoice::nccl, ranks, kGpu, false), Error,
                          [](const Error& e) { return asks_for(e, "cuda preset"); });
  }
}

BOOST_AUTO_TEST_CASE(staged_sums_are_the_sums) {
  std::mutex mutex;  // Boost's checks are not for several threads at once
  run_local_ranks(3, [&](Communicator& comm) {
    const auto staged = make_staged_communicator(comm, kCpu);
    std::vector<float> values(1000), expected(1000);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = expected[i] = 0.1f * static_cast<float>(i) + static_cast<float>(comm.rank());
    comm.all_reduce_async(expected.data(), expected.size(), nullptr)->wait();
    auto first = staged->all_reduce_async(values.data(), 400, nullptr);
    auto second = staged->all_reduce_async(values.data() + 400, 600, nullptr);
    staged->progress();
    first->wait();
    second->wait();
    const std::lock_guard lock(mutex);
    BOOST_TEST(values == expected, boost::test_tools::per_element());
    BOOST_TEST(staged->backend() == comm.backend());
  });
}

BOOST_AUTO_TEST_SUITE_END()
