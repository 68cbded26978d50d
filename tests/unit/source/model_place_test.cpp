// What a name stands for: a checkpoint, plain weights, or a mistake.
#include "src/source/model_place.hpp"

#include "anemll/core/error.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>

#include <boost/test/unit_test.hpp>

using namespace anemll;
namespace fs = std::filesystem;

namespace {

/// A folder with these empty files.
std::string folder(const test::TempDir& dir, const std::string& name,
                   std::initializer_list<const char*> files) {
  fs::create_directories(dir / name);
  for (const char* file : files) std::ofstream(dir / name / file) << "";
  return (dir / name).string();
}

void is_checkpoint(const std::string& name, const std::string& file) {
  const ModelPlace place = place_of_model(name);
  BOOST_TEST(place.checkpoint == file);
  BOOST_TEST(!place.weights);
}

void is_plain(const std::string& name) {
  const ModelPlace place = place_of_model(name);
  BOOST_TEST(place.checkpoint.empty());
  BOOST_TEST(place.weights.value_or("") == name);
}

ExitCode refusal(const std::string& name) {
  try {
    place_of_model(name);
  } catch (const Error& e) {
    return e.code();
  }
  return ExitCode::done;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(source_model_place)

BOOST_AUTO_TEST_CASE(a_checkpoint_or_plain_weights) {
  const test::TempDir dir;
  is_checkpoint((dir / "absent.pt").string(), (dir / "absent.pt").string());  // whoever opens it tells
  is_plain((dir / "absent.gguf").string());
  is_plain(folder(dir, "plain", {"model.safetensors", "training.pt"}));
  is_plain(folder(dir, "shards", {"model.safetensors.index.json"}));
  is_plain("no-such-organisation/no-such-model");
  const std::string packed = folder(dir, "packed", {"packed.safetensors", "snap_report.json"});
  is_checkpoint(packed, packed + "/packed.safetensors");
  is_checkpoint(packed + "/packed.safetensors", packed + "/packed.safetensors");
  const std::string run = folder(dir, "run", {"best_state_dict.pt", "checkpoint_step5.pt"});
  is_checkpoint(run, run + "/best_state_dict.pt");
  const std::string snap = folder(dir, "snap", {"model_state_dict.pt", "best_state_dict.pt"});
  is_checkpoint(snap, snap + "/model_state_dict.pt");
  const std::string one = folder(dir, "one", {"only.pt", "config.json"});
  is_checkpoint(one, one + "/only.pt");
  BOOST_TEST((place_of_model("").checkpoint.empty() && !place_of_model("").weights));
}

// 37-ollama-blob
BOOST_AUTO_TEST_CASE(a_file_is_what_is_in_it_whatever_its_name) {
  const test::TempDir dir;
  const auto put = [&](const char* name, std::string_view bytes) {
    std::ofstream(dir / name, std::ios::binary) << bytes;
    return (dir / name).string();
  };
  using std::string_view_literals::operator""sv;
  is_plain(put("sha256-abab", "GGUF\3\0\0\0"sv));
  is_plain(put("named.pt", "GGUF\3\0\0\0"sv));
  for (const char* name : {"state.bin", "named.gguf"}) {
    const std::string file = put(name, "PK\3\4\x14\0"sv);
    is_checkpoint(file, file);
  }
}

BOOST_AUTO_TEST_CASE(folders_that_do_not_say) {
  const test::TempDir dir;
  BOOST_TEST((refusal(folder(dir, "empty", {"config.json"})) == ExitCode::data));
  BOOST_TEST((refusal(folder(dir, "several", {"a.pt", "b.pt"})) == ExitCode::usage));
}

BOOST_AUTO_TEST_SUITE_END()
