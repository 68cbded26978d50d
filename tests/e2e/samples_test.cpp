// --sample-prompts: answers at each evaluation in every log, each once also where a run was killed, and the
// training itself unchanged to the bit.
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"
#include "tests/support/train_run.hpp"
#include "tests/support/wandb_records.hpp"

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using nlohmann::json;

namespace {

std::vector<json> evaluations_of(const fs::path& out) {
  std::vector<json> rows;
  std::ifstream in(out / "metrics.jsonl");
  for (std::string line; std::getline(in, line);) {
    json row = json::parse(line);
    if (row.at("kind") == "eval") rows.push_back(std::move(row));
  }
  return rows;
}

std::string all_in(const fs::path& folder) {
  std::string text;
  for (const auto& [name, content] : test::content_of(folder)) text += content;
  return text;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
  return found;
}

struct Prompts {
  test::TempDir dir;
  std::string file = (dir / "prompts.jsonl").string();
  Prompts() {
    anemll::write_file(file, "{\"prompt\":\"Name the sea.\"}\n{\"prompt\":\"a | b\"}\n");
    fs::create_directories(dir / "out");
  }
  std::string flags() const { return "--sample-prompts " + file + " --sample-tokens 5 "; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(samples)

BOOST_FIXTURE_TEST_CASE(every_log_has_them_and_training_does_not_change, Prompts) {
  const fs::path with = dir / "with", without = dir / "without";
  const auto sampled = test::run(test::train_command(with, flags() + "--wandb --tensorboard --max-steps 20"));
  BOOST_REQUIRE_MESSAGE(sampled.code == 0, sampled.output);
  const auto plain = test::run(test::train_command(without, "--max-steps 20"));
  BOOST_REQUIRE_MESSAGE(plain.code == 0, plain.output);
  for (const char* name :
       {"best_state_dict.pt", "checkpoint_step18.pt", "state/step_00000020/optimizer.safetensors",
        "state/step_00000020/parameters.safetensors"})
    BOOST_TEST((test::read_all(with / name) == test::read_all(without / name)), name);

  const std::vector<json> rows = evaluations_of(with);
  const std::vector<json> plain_rows = evaluations_of(without);
  BOOST_REQUIRE(rows.size() == plain_rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    BOOST_TEST(rows[i].at("loss") == plain_rows[i].at("loss"));
    BOOST_TEST(!plain_rows[i].contains("samples"));
    const json& samples = rows[i].at("samples");
    BOOST_REQUIRE(samples.size() == 2U);
    BOOST_TEST(samples[0].at("prompt") == "Name the sea.");
    BOOST_TEST(!samples[0].at("answer").get<std::string>().empty());
  }
  BOOST_TEST(count(sampled.output, "  > Name the sea.") == rows.size(), sampled.output);
  BOOST_TEST(count(all_in(with / "tensorboard"), "a \\| b") == rows.size());
  const std::string media = all_in(with / "wandb");
  BOOST_TEST(count(media, "Name the sea.") >= rows.size());

  // The last answers are those that anemll_infer gives of the last weights.
  std::string last;
  for (const auto& entry : fs::directory_iterator(with)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("v2_") && name.find("_fp32_") != std::string::npos) last = entry.path().string();
  }
  const std::string answers = (dir / "answers.jsonl").string();
  const auto asked = test::run(test::bin("anemll_infer") + " " + last + " --model-id " +
                               test::golden("nano").string() + " --batch " + file + " --out " + answers +
                               " --greedy --repetition-penalty 1 --no-thinking --max-tokens 5 --threads 1");
  BOOST_REQUIRE_MESSAGE(asked.code == 0, asked.output);
  std::ifstream in(answers);
  std::string line;
  for (const json& sample : rows.back().at("samples")) {
    BOOST_REQUIRE(std::getline(in, line));
    BOOST_TEST(json::parse(line).at("answer") == sample.at("answer"));
  }

  const std::string page = (dir / "r.md").string();
  BOOST_TEST(test::run(test::bin("anemll_report") + " " + with.string() + " --output " + page).code == 0);
  BOOST_TEST(count(anemll::read_text(page), "| Step of with | Name the sea. |") == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_run_that_goes_on_has_each_answer_once, Prompts) {
  const fs::path out = dir / "run";
  BOOST_REQUIRE_EQUAL(test::run(test::train_command(out, flags() + "--max-steps 12")).code, 0);
  const auto on =
      test::run(test::mpirun(2, test::train_command(out, flags() + "--max-steps 20 --resume auto")));
  BOOST_REQUIRE_MESSAGE(on.code == 0, on.output);
  std::map<std::pair<int, bool>, int> seen;
  for (const json& row : evaluations_of(out)) {
    BOOST_TEST(row.at("samples").size() == 2U);
    ++seen[{row.at("step").get<int>(), row.at("final").get<bool>()}];
  }
  for (const auto& [row, times] : seen) BOOST_TEST(times == 1, row.first);
}

BOOST_FIXTURE_TEST_CASE(a_bad_file_is_refused_before_anything_is_made, Prompts) {
  std::string many;
  for (int i = 0; i < 65; ++i) many += "{\"prompt\":\"a\"}\n";
  const std::map<std::string, std::string> refused = {
      {"no json\n", "line 1"},
      {"", "no prompts"},
      {many, "has 65 prompts"},
      {R"({"messages":[{"role":"narrator","content":"a"}]})", "no role 'narrator'"}};
  for (const auto& [text, words] : refused) {
    anemll::write_file(file, text);
    const auto run = test::run(test::train_command(dir / "run", flags() + "--max-steps 2"));
    BOOST_TEST(run.code == 3, run.output);
    BOOST_TEST(run.output.find("prompts.jsonl") != std::string::npos, run.output);
    BOOST_TEST(run.output.find(words) != std::string::npos, run.output);
    BOOST_TEST(run.output.find("hint:") != std::string::npos, run.output);
  }
  BOOST_TEST(!fs::exists(dir / "run/best_state_dict.pt"));
}

BOOST_AUTO_TEST_SUITE_END()
