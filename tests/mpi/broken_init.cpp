// A program whose MPI does not start: the error of MPI_Init_thread has our text and exit code.
#include "anemll/comm/communicator.hpp"

#include <mpi.h>

/// In place of the library's, as profilers do it.
extern "C" int MPI_Init_thread(int*, char***, int, int* provided) {
  *provided = MPI_THREAD_SINGLE;
  return MPI_ERR_OTHER;
}

int main(int argc, char** argv) {
  return anemll::run_ranks(argc, argv, [](anemll::MpiRuntime&) { return 0; });
}
