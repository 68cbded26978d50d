// Every refusal of what a name stands for: tests/support/refusals.hpp.
#include "tests/support/refusals.hpp"

#include "src/source/model_place.hpp"

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

namespace anemll::test {
namespace {

std::function<void(const TempDir&)> folder_of(std::initializer_list<const char*> names) {
  return [files = std::vector<std::string>(names.begin(), names.end())](const TempDir& folder) {
    for (const std::string& name : files) write_file(folder / name, "");
    place_of_model(folder.path().string());
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(source_refusals)

BOOST_AUTO_TEST_CASE(each_has_file_field_value_and_a_way_on) {
  const std::string all =
      check_refusals({{"checkpoint", "neither", folder_of({"config.json"})},
                      {"several checkpoints", "a.pt, b.pt", folder_of({"a.pt", "b.pt"})}});
  check_every_message(all, std::filesystem::path(ANEMLL_SOURCE_DIR) / "src/source", /*out_of_reach=*/{},
                      [](const std::string& name) { return name.ends_with(".cpp"); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
