// Ranks of which only rank 0 has a way to the hub: the others are told where the model lies.
#include "tests/support/hub_program.hpp"
#include "tests/support/run_apart.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <boost/test/unit_test.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

struct Place {
  test::TempDir dir;
  test::HubProgram hub{"models", "test/nano", test::nano_repository(dir)};

  Place() {
    std::ofstream(dir / "text.txt") << test::read_all(test::golden("README.md")).substr(0, 3000);
    std::ofstream(dir / "prompts.jsonl") << "{\"prompt\": \"Tell me more\"}\n{\"prompt\": \"Hello\"}\n";
  }
  std::string path(const std::string& name) const { return (dir / name).string(); }

  /// The command with this hub cache, and of the environment nothing else that leads to a hub.
  std::string with_cache(const std::string& name, const std::string& variables,
                         const std::string& command) const {
    return "env -u TRANSFORMERS_OFFLINE -u HF_TOKEN -u HF_TOKEN_PATH no_proxy='*' HF_HOME=" + path(name) +
           " HF_HUB_CACHE=" + path(name) + " " + variables + command;
  }
  /// Both ranks end well, and the second has nothing of the hub's afterwards.
  void works(const std::string& tool, const std::string& flags) const {
    const std::string command = test::bin(tool) + " " + flags + " --threads 1";
    const auto result = test::run_apart(with_cache("hub", hub.online(), command),
                                        with_cache("none", "HF_HUB_OFFLINE=1 ", command));
    BOOST_TEST(result.code == 0, result.output);
    BOOST_TEST(fs::exists(dir / "hub/models--test--nano"));
    BOOST_TEST(!fs::exists(dir / "none/models--test--nano"));
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(hub_ranks)

BOOST_AUTO_TEST_CASE(scores_of_a_model_on_the_hub) {
  const Place place;
  const std::string text = " --context 64 --chunks 2 --text " + place.path("text.txt");
  place.works("anemll_eval",
              test::golden("nano/v2_q2a4_trained.pt").string() + " --model-id test/nano" + text);
  place.works("anemll_eval", test::golden("nano").string() + " --teacher test/nano" + text);
  place.works("anemll_eval", test::golden("nano").string() + " --tokenizer test/nano" + text);
}

BOOST_AUTO_TEST_CASE(widths_for_a_model_on_the_hub) {
  const Place place;
  place.works("anemll_allocate",
              "test/nano --layers-per-group 2 --ranks 2,4 --bits 2,4 --bits-target 4 --context 64 --chunks 2 "
              "--text " +
                  place.path("text.txt") + " --output " + place.path("layers.json"));
}

BOOST_AUTO_TEST_CASE(answers_of_a_model_on_the_hub) {
  const Place place;
  const std::string rest =
      " --batch " + place.path("prompts.jsonl") + " --greedy --max-tokens 3 --weight-format dense";
  place.works("anemll_infer", "--model-id test/nano" + rest + " --out " + place.path("plain.jsonl"));
  place.works("anemll_infer", test::golden("nano/v2_q2a4_trained.pt").string() + " --model-id test/nano" +
                                  rest + " --out " + place.path("trained.jsonl"));
  // The weights here, and the tokenizer there.
  fs::create_directory(place.dir / "weights");
  for (const char* name : {"config.json", "model.safetensors"})
    fs::copy_file(test::golden("nano") / name, place.dir / "weights" / name);
  place.works("anemll_infer",
              place.path("weights") + " --model-id test/nano" + rest + " --out " + place.path("apart.jsonl"));
}

BOOST_AUTO_TEST_SUITE_END()
