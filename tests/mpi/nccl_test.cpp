// The NCCL backend's own source over the stand-in, on processes: MPI is the bootstrap and the oracle.
#include "anemll/comm/communicator.hpp"
#include "tests/gpu_standin/device_cases.hpp"
#include "tests/gpu_standin/faults.hpp"
#include "tests/support/communicator_cases.hpp"

#include <chrono>

#include <boost/test/unit_test.hpp>

using namespace anemll;

BOOST_AUTO_TEST_SUITE(comm)

BOOST_AUTO_TEST_CASE(nccl_has_the_bits_of_mpi) {
  MpiRuntime runtime(nullptr, nullptr);
  const auto world = runtime.world();
  for (const int slow : {-1, 0, world->size() - 1}) {
    standin::Faults faults;
    if (world->rank() == slow) faults.delay = std::chrono::microseconds(300);
    standin::set_faults(faults);
    const auto comm = make_nccl_communicator(*world, world->rank());
    test::check_everything(*comm);
    test::check_device(*comm, *world);
  }
}

BOOST_AUTO_TEST_SUITE_END()
