// Every refusal of KD caches has a way on: tests/support/refusals.hpp. The other tests of this program
// provoke them.
#include "tests/support/refusals.hpp"

#include <filesystem>
#include <map>
#include <string>

namespace anemll::test {
namespace {

/// Messages of the sources that no input of a test provokes.
const std::map<std::string, std::string> kOutOfReach = {
    {"changed while it was read", "the file changes while it is read"},
    {"rank, world and first step do not fit together", "of a caller"},
    {"must be at least 1", "of a caller"},
    {"must be 0 to 9", "the option table refuses it before"},
    {"cannot write", "the library fails on a sound file"},
    {"cannot look for dataset ", "the library fails on a sound file"},
    {"cannot look for attribute ", "the library fails on a sound file"},
    {"cannot get the shape", "the library fails on a sound file"},
    {"cannot get the chunk shape", "the library fails on a sound file"},
    {"key \"vocab_size\" is out of range", "the other keys of the file are provoked"},
    {"has no attribute format = \"", "the other keys of the file are provoked"},
    {"attribute vocab_size is negative", "the other keys of the file are provoked"},
    {"attribute meta or source is not valid JSON", "the other keys of the file are provoked"},
    {" is not this program's ", "the other keys of the file are provoked"},
    {" is missing or not positive", "the other keys of the file are provoked"},
    {"key \"payloads\" must be an object", "the other keys of the file are provoked"},
    {"key \"all_attended\" must be true or false", "the other keys of the file are provoked"},
    {"\" must be a text", "the other keys of the file are provoked"},
    {"\" must be a positive number", "the other keys of the file are provoked"},
    {"\" must be a list of at least one shard", "the other keys of the file are provoked"},
    {"unsupported element type", "the other keys of the file are provoked"},
    {"is impossibly large", "the other keys of the file are provoked"},
    {" is too long", "the other keys of the file are provoked"},
    {" is not one text", "the other keys of the file are provoked"},
    {" is not one integer", "the other keys of the file are provoked"},
    {"is a folder of .pt shards already", "e2e tests of anemll_cache"},
    {"source and destination are the same", "e2e tests of anemll_cache"},
    {"has tokens alone, and the reference's shards hold top-k logits", "e2e tests of a live teacher"},
    {"exists and is not a .h5 file, so it is not overwritten", "e2e tests of anemll_cache"},
    {"holds an HDF5 cache, which is taken as it is", "e2e tests of anemll_cache"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(data_refusals, *boost::unit_test::depends_on("data_order") *
                                         boost::unit_test::depends_on("data_cache_parts") *
                                         boost::unit_test::depends_on("data_prefetcher") *
                                         boost::unit_test::depends_on("cache_archive") *
                                         boost::unit_test::depends_on("data_kd_cache") *
                                         boost::unit_test::depends_on("data_columns") *
                                         boost::unit_test::depends_on("data_torch_cache"))

BOOST_AUTO_TEST_CASE(each_is_heard) {
  check_every_message(heard(), std::filesystem::path(ANEMLL_SOURCE_DIR) / "src/data", kOutOfReach,
                      [](const std::string& name) { return name.ends_with(".cpp"); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
