// What a build without Arrow says to a Parquet file.
#include "tests/unit/datasets/support.hpp"

using namespace anemll;
using namespace anemll::test;

BOOST_AUTO_TEST_SUITE(datasets_parquet)

BOOST_AUTO_TEST_CASE(says_how_to_get_it) {
  const TempDir folder;
  write(folder / "a.parquet", "PAR1");
  expect_data_error({"a.parquet", "launch/setup.sh", "ANEMLL_WITH_PARQUET"},
                    [&] { read_all(folder / "a.parquet", in_order()); });
}

BOOST_AUTO_TEST_SUITE_END()
