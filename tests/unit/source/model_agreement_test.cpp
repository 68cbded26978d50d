// Models and checkpoints that are not the same on all ranks. Ranks are threads of this process.
#include "src/source/model_agreement.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <array>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>

#include <boost/test/unit_test.hpp>

using namespace anemll;
namespace fs = std::filesystem;

namespace {

/// The nano model and a checkpoint, twice.
struct Hosts {
  test::TempDir dir;
  std::array<fs::path, 2> host{dir / "one", dir / "two"};

  Hosts() {
    for (const fs::path& folder : host) {
      fs::create_directories(folder);
      for (const char* name : {"config.json", "model.safetensors"})
        fs::copy_file(test::golden("nano") / name, folder / name);
      write_file(folder / "source.pt", "the tensors");
    }
  }
  void change(const char* name, std::size_t place, char byte) const {
    std::string bytes = read_text(host[1] / name);
    bytes.at(place) = byte;
    write_file(host[1] / name, bytes);
  }
  /// What the ranks are told; "" where they agree.
  std::string differ(const std::function<void(Agreement&, const fs::path&)>& add) const {
    std::array<std::string, 2> said;
    run_local_ranks(2, [&](Communicator& comm) {
      const auto rank = static_cast<std::size_t>(comm.rank());
      try {
        Agreement inputs = agreement_on_files();
        add(inputs, host[rank]);
        inputs.check(comm);
      } catch (const Error& e) {
        said[rank] = e.code() == ExitCode::data ? e.what() : "another kind of error";
      }
    });
    BOOST_TEST(said[0] == said[1]);
    return said[0];
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void add_opened(Agreement& inputs, const fs::path& host) {
  add_model_facts(inputs, "model", open_model(host));
}
void add_loaded(Agreement& inputs, const fs::path& host) {
  add_model_facts(inputs, "model", load_model_files(host));
}
void add_source(Agreement& inputs, const fs::path& host) {
  add_checkpoint_facts(inputs, "checkpoint", host / "source.pt");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(source_model_agreement)

BOOST_AUTO_TEST_CASE(the_same_files_at_other_places_agree) {
  const Hosts hosts;
  BOOST_TEST(hosts.differ(add_opened).empty());
  BOOST_TEST(hosts.differ(add_loaded).empty());
  BOOST_TEST(hosts.differ(add_source).empty());
}

BOOST_AUTO_TEST_CASE(other_weights_are_seen_without_reading_them) {
  const Hosts hosts;
  const std::string bytes = read_text(hosts.host[1] / "model.safetensors");
  const std::size_t place = bytes.size() / 2;
  hosts.change("model.safetensors", place, static_cast<char>(bytes[place] ^ 1));
  const std::string opened = hosts.differ(add_opened);
  BOOST_TEST(has(opened, "model content: "), opened);
  BOOST_TEST(!has(opened, "model configuration: "), opened);
  const std::string loaded = hosts.differ(add_loaded);
  BOOST_TEST(has(loaded, "model fingerprint: "), loaded);
  BOOST_TEST(has(loaded, "model content: "), loaded);
}

BOOST_AUTO_TEST_CASE(another_configuration_is_seen) {
  const Hosts hosts;
  const std::string text = read_text(hosts.host[1] / "config.json");
  write_file(hosts.host[1] / "config.json", text + "\n");
  const std::string opened = hosts.differ(add_opened);
  BOOST_TEST(has(opened, "model configuration: "), opened);
  BOOST_TEST(!has(opened, "model content: "), opened);
}

BOOST_AUTO_TEST_CASE(another_checkpoint_is_seen) {
  const Hosts hosts;
  hosts.change("source.pt", 0, 'T');
  const std::string other = hosts.differ(add_source);
  BOOST_TEST(has(other, "checkpoint content: "), other);
  BOOST_TEST(!has(other, "checkpoint config: "), other);
  fs::remove(hosts.host[1] / "config.json");
  BOOST_TEST(has(hosts.differ(add_source), ", none on rank 1"));
}

BOOST_AUTO_TEST_SUITE_END()
