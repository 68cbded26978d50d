// A program whose MPI does not start, or fails in one of the first calls after that: each such error has our
// text and exit code.   usage: mpi_broken_init init|threads|dup|host
#include "anemll/comm/communicator.hpp"

#include <string_view>

#include <mpi.h>

namespace {

std::string_view broken;  // the call that fails

bool on_last_rank() {
  int rank = 0;
  int size = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return rank == size - 1;
}

}  // namespace

// In place of the library's, as profilers do it.
extern "C" int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  if (broken == "init") return MPI_ERR_OTHER;
  return PMPI_Init_thread(argc, argv, required, provided);
}

extern "C" int MPI_Query_thread(int* provided) {
  const int code = PMPI_Query_thread(provided);
  if (broken == "threads") *provided = MPI_THREAD_SINGLE;
  return code;
}

extern "C" int MPI_Comm_dup(MPI_Comm comm, MPI_Comm* copy) {
  if (broken == "dup" && on_last_rank()) return MPI_ERR_COMM;  // the others wait in it
  return PMPI_Comm_dup(comm, copy);
}

extern "C" int MPI_Comm_split_type(MPI_Comm comm, int type, int key, MPI_Info info, MPI_Comm* part) {
  if (broken == "host") return MPI_ERR_ARG;
  return PMPI_Comm_split_type(comm, type, key, info, part);
}

int main(int argc, char** argv) {
  broken = argv[1];
  return anemll::run_ranks(argc, argv, [](anemll::MpiRuntime& mpi) { return mpi.host().size > 0 ? 0 : 1; });
}
