// A build without the GPU backend says how to get it.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"

#include <string>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(comm)

BOOST_AUTO_TEST_CASE(absent_nccl_names_the_build_option) {
  BOOST_CHECK(!anemll::nccl_available());
  const auto single = anemll::make_single_communicator();
  BOOST_CHECK_EXCEPTION(anemll::make_nccl_communicator(*single, 0), anemll::Error,
                        [](const anemll::Error& error) {
                          return error.code() == anemll::ExitCode::usage &&
                                 error.hint().find("ANEMLL_WITH_CUDA=ON") != std::string::npos;
                        });
}

BOOST_AUTO_TEST_SUITE_END()
