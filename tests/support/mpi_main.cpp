// The main of test programs that run under mpirun: all ranks fail when one does.
#define BOOST_TEST_NO_MAIN
#include "anemll/core/log_sink.hpp"

#include <boost/test/unit_test.hpp>
#include <mpi.h>

static bool init() {
  return true;
}

int main(int argc, char** argv) {
  anemll::log_to_stderr();
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
  int result = boost::unit_test::unit_test_main(&init, argc, argv);
  MPI_Allreduce(MPI_IN_PLACE, &result, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return result;
}
