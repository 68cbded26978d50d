// How the ranks of a job over the stand-in end, each with its own faults: threads of one process.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "src/comm/nccl_communicator.hpp"
#include "tests/gpu_standin/device_cases.hpp"
#include "tests/gpu_standin/faults.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {

/// A rank that waits for a peer must end by these, not by the test's own time limit.
inline constexpr NcclLimits kShortLimits{.init_s = 0.3, .call_s = 0.3};
/// The same where sums come to their end before, on a machine with other work.
inline constexpr NcclLimits kPatientLimits{.init_s = 30, .call_s = 3};

struct Ending {
  std::string text = "no error";
  ExitCode code = ExitCode::done;
};

/// What a communicator may end with still under way: it must outlive it.
struct OnDevice {
  std::vector<float> values = std::vector<float>(200, 1.0F);
  TestStream stream;
};

/// Runs `body` on every rank, each with its faults, and tells how each ended. Errors stay with their rank:
/// its peers are not told of them, as on several hosts.
inline std::vector<Ending> endings(int ranks, const std::function<standin::Faults(int)>& faults_of,
                                   const std::function<void(Communicator&, OnDevice&)>& body,
                                   const NcclLimits& limits = kShortLimits) {
  std::vector<Ending> ends(static_cast<std::size_t>(ranks));
  run_local_ranks(ranks, [&](Communicator& bootstrap) {
    standin::set_faults(faults_of(bootstrap.rank()));
    Ending& end = ends[static_cast<std::size_t>(bootstrap.rank())];
    OnDevice device;
    try {
      const auto comm = make_nccl_communicator(bootstrap, bootstrap.rank(), limits);
      body(*comm, device);
    } catch (const Error& error) {
      end = {error.what(), error.code()};
    }
  });
  return ends;
}

inline std::function<standin::Faults(int)> on_rank(int which, const standin::Faults& faults) {
  return [=](int rank) { return rank == which ? faults : standin::Faults{}; };
}

inline void check_ending(const Ending& end, const std::string& part) {
  BOOST_TEST(end.text.find(part) != std::string::npos, end.text);
  BOOST_TEST((end.code == ExitCode::communication), end.text);
  BOOST_TEST(end.text.find("hint:") != std::string::npos, end.text);
}

}  // namespace anemll::test
