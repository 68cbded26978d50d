// A program whose MPI does not start, or fails in one of the first calls after that: each such error has our
// text and exit code. One that never ends is ended, wherever its last rank stops.
// usage: mpi_broken_init init|threads|dup|host|stops_before|stops_behind|stops_in_world|stops_in_options
#include "anemll/comm/communicator.hpp"
#include "anemll/core/options.hpp"
#include "src/comm/agreement.hpp"

#include <chrono>
#include <cstdlib>
#include <string_view>
#include <thread>

#include <mpi.h>

namespace {

std::string_view broken;  // the call that fails

/// Before MPI can tell: of two ranks.
bool is_second() {
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  return rank != nullptr && std::string_view(rank) == "1";
}

void stop_here(std::string_view mode) {
  if (broken == mode && is_second()) std::this_thread::sleep_for(std::chrono::minutes(10));
}

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
  stop_here("stops_before");
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
  return anemll::run_ranks(argc, argv, [](anemll::MpiRuntime& mpi) {
    if (broken.substr(0, 5) == "stops") {
      stop_here("stops_in_world");
      const auto world = mpi.world();
      stop_here("stops_in_options");
      anemll::OptionTable table("mpi_broken_init", "Stops.", "");
      const char* words[] = {"mpi_broken_init"};
      anemll::parse_together(table, 1, words, *world);
      stop_here("stops_behind");
    }
    return mpi.host().size > 0 ? 0 : 1;
  });
}
