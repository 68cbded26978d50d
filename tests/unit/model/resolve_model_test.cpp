// Model names: folders, the hub cache under each variable, and what is said when nothing is found.
#include "tests/unit/model/model_folder.hpp"

#include <cstdlib>
#include <optional>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kCommit = "c1899de289a04d12100db370d81485cdf75e47ca";

/// Sets one variable of the hub's for a scope and clears the others.
class HubEnvironment {
 public:
  HubEnvironment(const std::string& name, const std::string& value) {
    for (const char* variable : kNames) {
      const char* old = std::getenv(variable);
      saved_.emplace_back(variable, old != nullptr ? std::optional<std::string>(old) : std::nullopt);
      ::unsetenv(variable);
    }
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~HubEnvironment() {
    for (const auto& [name, value] : saved_) {
      ::unsetenv(name.c_str());
      if (value) ::setenv(name.c_str(), value->c_str(), 1);
    }
  }
  HubEnvironment(const HubEnvironment&) = delete;
  HubEnvironment& operator=(const HubEnvironment&) = delete;

 private:
  static constexpr const char* kNames[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME",
                                           "XDG_CACHE_HOME", "HOME"};
  std::vector<std::pair<std::string, std::optional<std::string>>> saved_;
};

fs::path make_snapshot(const fs::path& root, const std::string& repository) {
  const fs::path snapshot = root / repository / "snapshots" / kCommit;
  fs::create_directories(snapshot);
  fs::create_directories(root / repository / "refs");
  write_file(root / repository / "refs" / "main", kCommit);
  write_file(snapshot / "config.json", "{}");
  return snapshot;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model)

BOOST_AUTO_TEST_CASE(a_folder_is_itself) {
  BOOST_CHECK(resolve_model(golden("nano").string()) == golden("nano"));
  const TempDir empty;
  check_data_error([&] { resolve_model(empty.path().string()); }, empty.path().string(), "config.json");
}

BOOST_AUTO_TEST_CASE(the_hub_cache_is_found_under_every_variable) {
  const std::pair<std::string, std::string> cases[] = {{"HF_HUB_CACHE", ""},
                                                       {"HUGGINGFACE_HUB_CACHE", ""},
                                                       {"HF_HOME", "hub"},
                                                       {"XDG_CACHE_HOME", "huggingface/hub"},
                                                       {"HOME", ".cache/huggingface/hub"}};
  for (const auto& [variable, below] : cases) {
    const TempDir root;
    const HubEnvironment environment(variable, root.path().string());
    const fs::path snapshot = make_snapshot(root.path() / below, "models--org--name");
    BOOST_CHECK_MESSAGE(fs::equivalent(resolve_model("org/name"), snapshot), variable);
  }
}

BOOST_AUTO_TEST_CASE(variables_inside_variables_are_expanded) {
  const TempDir root;
  const HubEnvironment environment("HOME", root.path().string());
  const fs::path snapshot = make_snapshot(root / "models", "models--plain");
  for (const char* value : {"~/models", "$HOME/models", "${HOME}/models"}) {
    ::setenv("HF_HUB_CACHE", value, 1);
    BOOST_CHECK_MESSAGE(fs::equivalent(resolve_model("plain"), snapshot), value);
  }
}

BOOST_AUTO_TEST_CASE(a_lone_snapshot_needs_no_ref) {
  const TempDir root;
  const HubEnvironment environment("HF_HUB_CACHE", root.path().string());
  const fs::path snapshot = make_snapshot(root.path(), "models--org--name");
  fs::remove(root / "models--org--name/refs/main");
  BOOST_CHECK(fs::equivalent(resolve_model("org/name"), snapshot));
  fs::create_directories(root / "models--org--name/snapshots/0123");
  check_data_error([] { resolve_model("org/name"); }, "models--org--name", "org/name");
}

BOOST_AUTO_TEST_CASE(unknown_names_say_where_was_looked) {
  const TempDir root;
  const HubEnvironment environment("HF_HUB_CACHE", root.path().string());
  check_data_error([] { resolve_model("org/name"); }, (root / "models--org--name").string(), "org/name");
  check_data_error([] { resolve_model("../../no/such"); }, "../../no/such", "cannot find");
  check_data_error([] { resolve_model(""); }, "", "cannot find");
}

BOOST_AUTO_TEST_SUITE_END()
