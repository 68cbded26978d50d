// The MPI backend against the oracle of all backends, with limits small enough to reach every path.
#include "anemll/comm/communicator.hpp"
#include "src/comm/internal/mpi_communicator.hpp"
#include "tests/support/communicator_cases.hpp"

#include <vector>

#include <boost/test/unit_test.hpp>
#include <mpi.h>

using namespace anemll;

BOOST_AUTO_TEST_SUITE(comm)

BOOST_AUTO_TEST_CASE(world_passes_all_cases) {
  MpiRuntime runtime(nullptr, nullptr);
  const auto world = runtime.world();
  int rank = -1;
  int size = -1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  BOOST_CHECK_EQUAL(world->rank(), rank);
  BOOST_CHECK_EQUAL(world->size(), size);
  test::check_everything(*world);
}

BOOST_AUTO_TEST_CASE(cut_transfers_and_many_windows_change_no_bit) {
  for (const std::size_t bytes : {8U, 1000U, 65536U}) {
    const auto comm = make_mpi_communicator(
        MPI_COMM_WORLD, {.message_bytes = bytes, .gather_bytes = bytes / 2, .window_bytes = bytes * 3});
    test::check_data_movement(*comm);
    if (bytes == 8) continue;  // one window per value is slow and no other path
    test::check_reductions(*comm);
    test::check_async(*comm);
    test::check_bucket_reducer(*comm);
  }
}

BOOST_AUTO_TEST_CASE(two_communicators_do_not_mix) {
  const auto first = make_mpi_communicator(MPI_COMM_WORLD);
  const auto second = make_mpi_communicator(MPI_COMM_WORLD);
  std::vector<float> a = test::rank_values<float>(first->rank(), 30000);
  std::vector<float> b(30000, 1.0F);
  const auto sum_a = first->all_reduce_async(a.data(), a.size(), nullptr);
  const auto sum_b = second->all_reduce_async(b.data(), b.size(), nullptr);
  sum_b->wait();
  sum_a->wait();
  BOOST_CHECK(test::same_bits(a, test::expected_reduction<float>(first->size(), a.size(), ReduceOp::sum)));
  BOOST_CHECK(b == std::vector<float>(30000, static_cast<float>(first->size())));
}

BOOST_AUTO_TEST_CASE(ranks_of_one_host_count_from_zero) {
  const MpiRuntime runtime(nullptr, nullptr);
  const auto world = make_mpi_communicator(MPI_COMM_WORLD);
  const MpiRuntime::Host host = runtime.host();
  BOOST_CHECK_EQUAL(host.size, world->size());
  BOOST_CHECK_EQUAL(host.rank, world->rank());
}

BOOST_AUTO_TEST_CASE(mpi_errors_speak_in_mpis_words) {
  const auto world = make_mpi_communicator(MPI_COMM_WORLD);
  std::byte one{};
  BOOST_CHECK_EXCEPTION(world->broadcast(std::span(&one, 1), world->size()), Error, [](const Error& error) {
    return error.code() == ExitCode::communication && error.where() == "MPI_Ibcast" &&
           std::string(error.what()).find("MPI_ERR_ROOT") != std::string::npos;
  });
}

BOOST_AUTO_TEST_SUITE_END()
