// LibTorch seeds its generator from the clock. Compiled into a test program, this starts every test case from
// the same numbers instead, alone or in company.
#include <ATen/Context.h>
#include <boost/test/unit_test.hpp>

namespace {

constexpr std::uint64_t kSeed = 20260917;

struct Seed : boost::unit_test::test_observer {
  Seed() { boost::unit_test::framework::register_observer(*this); }
  ~Seed() override { boost::unit_test::framework::deregister_observer(*this); }
  void test_unit_start(const boost::unit_test::test_unit&) override { at::manual_seed(kSeed); }
};

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(Seed);
