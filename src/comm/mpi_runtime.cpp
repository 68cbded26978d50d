// The life of MPI in a process: start, end, and the way out when a rank fails. No rank may wait for one that
// stopped, and a user's mistake that all ranks see should not end in MPI's abort banner.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/comm/internal/mpi_check.hpp"
#include "src/comm/internal/mpi_communicator.hpp"
#include "src/comm/internal/start_timer.hpp"
#include "src/core/signals.hpp"
#include "src/core/tool.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include <mpi.h>

namespace anemll {
namespace {

constexpr const char* kStart = "the start of MPI";
constexpr double kAgreeSeconds = 1.0;  ///< how long a failed rank waits for the others to fail too

int world_size() {
  int size = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

[[noreturn]] void abort_world(int exit_code) {
  std::fflush(nullptr);
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

/// True when all ranks come here within kAgreeSeconds.
bool all_ranks_come(MPI_Comm comm) {
  MPI_Request request = MPI_REQUEST_NULL;
  if (MPI_Ibarrier(comm, &request) != MPI_SUCCESS) return false;
  const double start = MPI_Wtime();
  Backoff backoff;
  for (int done = 0; done == 0; backoff.pause()) {
    if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) return false;
    if (done == 0 && MPI_Wtime() - start > kAgreeSeconds) return false;
  }
  return true;
}

/// The exit code of a job whose ranks have all failed; each different message is printed once.
int report_together(const Error& mine) {
  const auto comm = make_mpi_communicator(MPI_COMM_WORLD);
  const std::string text = mine.what();
  const auto texts = gather_strings(*comm, text);
  for (int r = 0; r < comm->rank(); ++r) {
    if (texts[static_cast<std::size_t>(r)] == text) return static_cast<int>(mine.code());
  }
  return report_error(mine);
}

/// `agreement`: MPI_COMM_NULL when MPI failed before there was one.
int end_with(const Error& error, MPI_Comm agreement) {
  if (world_size() == 1) return report_error(error);
  try {
    if (agreement != MPI_COMM_NULL && all_ranks_come(agreement)) return report_together(error);
  } catch (const std::exception&) {  // what ended this rank is the news, not that it cannot be agreed on
  }
  abort_world(report_error(error));
}

void require_threads() {
  int provided = MPI_THREAD_SINGLE;
  check_mpi(MPI_Query_thread(&provided), "MPI_Query_thread");
  if (provided >= MPI_THREAD_FUNNELED) return;
  throw_comm("MPI has no support for threads", "MPI_Init_thread", "use an MPI with MPI_THREAD_FUNNELED");
}

/// Runs `body` on every rank, from the first call that MPI can fail in: see run_ranks.
int run_together(const std::function<int()>& body) {
  MPI_Comm agreement = MPI_COMM_NULL;
  int code = 0;
  try {
    {
      const StartTimer timer(kStart, launched_rank());
      check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &agreement), "MPI_Comm_dup");
    }
    require_threads();
    code = body();
  } catch (...) {
    code = end_with(current_error(), agreement);
  }
  if (agreement != MPI_COMM_NULL) MPI_Comm_free(&agreement);
  return code;
}

}  // namespace

MpiRuntime::MpiRuntime(int* argc, char*** argv) : uncaught_(std::uncaught_exceptions()) {
  int running = 0;
  MPI_Initialized(&running);
  if (running == 0) {
    int provided = 0;
    const StartTimer timer(kStart, launched_rank());
    // Before that has worked MPI must not be asked for its words (it would abort).
    if (const int code = MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided); code != MPI_SUCCESS) {
      throw_comm("MPI does not start, its error code is " + std::to_string(code), "MPI_Init_thread",
                 "see its own message above; launch/README.md says what to do");
    }
    owns_mpi_ = true;
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
}

MpiRuntime::~MpiRuntime() {
  if (std::uncaught_exceptions() > uncaught_ && world_size() > 1) {
    log(LogLevel::error, "an error ends this rank and with it the job");
    abort_world(static_cast<int>(ExitCode::communication));
  }
  if (owns_mpi_) MPI_Finalize();
}

std::unique_ptr<Communicator> MpiRuntime::world() {
  const StartTimer timer(kStart, launched_rank());
  return make_mpi_communicator(MPI_COMM_WORLD);
}

MpiRuntime::Host MpiRuntime::host() const {
  const StartTimer timer(kStart, launched_rank());
  MPI_Comm comm = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &comm),
            "MPI_Comm_split_type");
  Host host;
  MPI_Comm_rank(comm, &host.rank);
  MPI_Comm_size(comm, &host.size);
  MPI_Comm_free(&comm);
  return host;
}

int run_ranks(int argc, char** argv, const std::function<int(MpiRuntime&)>& body) {
  return run_tool([&] {
    prepare_signals(ProgramKind::maker);
    MpiRuntime mpi(&argc, &argv);
    return run_together([&] { return body(mpi); });
  });
}

}  // namespace anemll
