// The GPU backend refuses a device that is not there before NCCL is asked, with or without a GPU in the
// machine.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"

#include <string>

#include <boost/test/unit_test.hpp>

using namespace anemll;

BOOST_AUTO_TEST_SUITE(comm)

BOOST_AUTO_TEST_CASE(all_ranks_refuse_a_missing_device_with_the_table) {
  constexpr int kNoSuchDevice = 10000;
  BOOST_CHECK(nccl_available());
  run_local_ranks(2, [](Communicator& comm) {
    std::string text = "no error";
    ExitCode code = ExitCode::done;
    try {
      make_nccl_communicator(comm, kNoSuchDevice);
    } catch (const Error& error) {
      text = error.what();
      code = error.code();
    }
    const bool named = text.find("rank 0 has no such GPU") != std::string::npos &&
                       text.find("rank 1: ") != std::string::npos &&
                       text.find("device 10000 of") != std::string::npos;
    if (code != ExitCode::usage || !named) throw std::runtime_error("refusal is not clear: " + text);
    comm.barrier();
  });
}

BOOST_AUTO_TEST_SUITE_END()
