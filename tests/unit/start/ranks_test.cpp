// Under mpirun: a start has the bytes that one rank alone makes, and all ranks hold the same.
#include "anemll/comm/communicator.hpp"
#include "tests/unit/start/nano_start.hpp"

#include <string>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

BOOST_AUTO_TEST_CASE(ranks_make_the_bytes_of_one) {
  int argc = 0;
  char** argv = nullptr;
  MpiRuntime mpi(&argc, &argv);
  const auto world = mpi.world();
  const auto alone = make_single_communicator();
  const auto made = [](Communicator& comm) {
    return make_start(nano(), nano_spec(), nano_text(), nano_options(StartMethod::cd), at::kCPU, comm);
  };
  const MadeStart together = made(*world);
  const MadeStart by_one = made(*alone);
  BOOST_TEST((bytes_of(together.student) == bytes_of(by_one.student)));
  BOOST_TEST(together.compared[0].divergence.mean == by_one.compared[0].divergence.mean);
  BOOST_TEST(together.blocks[1].stream == by_one.blocks[1].stream);
}
