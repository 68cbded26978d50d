// A file of prompts from the outside: the same answers by any number of ranks, whatever stopped the program
// before, and what is refused.
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using test::says;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

constexpr int kRows = 9;

/// Prompts of different lengths, some of them equal.
std::string prompts() {
  std::string text;
  for (int i = 0; i < kRows; ++i) {
    std::string prompt = "Tell me more";
    for (int word = 0; word < i % 3; ++word) prompt += " about trees";
    text += json({{"prompt", prompt}, {"id", std::string("p").append(std::to_string(i))}}).dump() + "\n";
  }
  return text;
}

struct Job {
  test::TempDir dir;
  fs::path in = dir / "in.jsonl";
  fs::path out = dir / "out.jsonl";

  Job() { std::ofstream(in) << prompts(); }

  std::string command(const std::string& more = "--seed 3") const {
    return test::bin("anemll_infer") + " " + test::golden("nano/v2_q2a4_trained.pt").string() +
           " --model-id " + test::golden("nano").string() + " --batch " + in.string() + " --out " +
           out.string() + " --weight-format packed --temperature 2 --max-tokens 12 --threads 1 " + more;
  }
  test::ToolResult run(int ranks = 1, const std::string& more = "--seed 3") const {
    return test::run(test::mpirun(ranks, command(more)));
  }
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// What one rank writes.
const std::string& answers() {
  static const std::string text = [] {
    const Job job;
    const test::ToolResult result = job.run();
    BOOST_TEST_REQUIRE(result.code == 0, result.output);
    return test::read_all(job.out);
  }();
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_batch_tool)

BOOST_AUTO_TEST_CASE(every_prompt_gets_its_answer_in_its_place) {
  const std::vector<std::string> lines = lines_of(answers());
  BOOST_TEST_REQUIRE(lines.size() == static_cast<std::size_t>(kRows));
  for (int i = 0; i < kRows; ++i) {
    const json line = json::parse(lines[static_cast<std::size_t>(i)]);
    BOOST_TEST(line.at("row") == i);
    BOOST_TEST(line.at("id") == std::string("p").append(std::to_string(i)));
    BOOST_TEST(line.at("tokens") <= 12);
    BOOST_TEST(line.at("messages").back().at("content") == line.at("answer"));
  }
  // Rows of the same prompt have seeds of their own.
  BOOST_TEST(json::parse(lines[0]).at("answer") != json::parse(lines[3]).at("answer"));
}

BOOST_AUTO_TEST_CASE(ranks_and_groups_change_nothing) {
  const Job two;
  const test::ToolResult result = two.run(2);
  BOOST_TEST_REQUIRE(result.code == 0, result.output);
  BOOST_TEST(test::read_all(two.out) == answers());
  const Job single;
  BOOST_TEST(single.run(1, "--seed 3 --batch-size 1").code == 0);
  BOOST_TEST(test::read_all(single.out) == answers());
}

BOOST_AUTO_TEST_CASE(a_killed_run_goes_on_with_another_number_of_ranks) {
  const Job job;
  // Alone and long: a kill comes between two answers wherever it comes.
  const std::string slow = job.command("--seed 3 --batch-size 1");
  test::start_and_kill(slow, 700ms);
  if (fs::exists(job.out)) {  // as a machine that loses its power may leave it
    const std::string text = test::read_all(job.out);
    std::ofstream(job.out, std::ios::app) << "{\"row\": 1, \"ans";
    BOOST_TEST_MESSAGE("answered before: " << lines_of(text).size());
  }
  const test::ToolResult rest = job.run(2);
  BOOST_TEST_REQUIRE(rest.code == 0, rest.output);
  BOOST_TEST(test::read_all(job.out) == answers());
  const test::ToolResult again = job.run();
  BOOST_TEST(again.code == 0, again.output);
  BOOST_TEST(says(again.output, "9 prompts, 9 answered before"), again.output);
  BOOST_TEST(test::read_all(job.out) == answers());
}

BOOST_AUTO_TEST_CASE(some_answers_are_kept_and_the_others_made) {
  const Job job;
  BOOST_TEST_REQUIRE(job.run().code == 0);
  const std::vector<std::string> lines = lines_of(answers());
  std::ofstream(job.out) << lines[4] << "\n" << lines[1] << "\n" << lines[7].substr(0, 30);
  const test::ToolResult rest = job.run();
  BOOST_TEST_REQUIRE(rest.code == 0, rest.output);
  BOOST_TEST(says(rest.output, "9 prompts, 2 answered before"), rest.output);
  BOOST_TEST(test::read_all(job.out) == answers());
}

BOOST_AUTO_TEST_CASE(what_a_start_chose_by_itself_stays_chosen) {
  const Job job;
  BOOST_TEST_REQUIRE(job.run(1, "").code == 0);
  const std::string first = test::read_all(job.out);
  const std::vector<std::string> lines = lines_of(first);
  std::ofstream(job.out) << lines[0] << "\n";
  const test::ToolResult rest = job.run(1, "");
  BOOST_TEST_REQUIRE(rest.code == 0, rest.output);
  BOOST_TEST(test::read_all(job.out) == first);
}

BOOST_AUTO_TEST_CASE(other_settings_and_wrong_lines_are_refused) {
  const Job job;
  BOOST_TEST_REQUIRE(job.run().code == 0);
  const test::ToolResult other = job.run(1, "--seed 4");
  BOOST_TEST(other.code == 2, other.output);
  BOOST_TEST(says(other.output, "seed was '3', is '4'"), other.output);
  BOOST_TEST(test::read_all(job.out) == answers());

  const Job wrong;
  std::ofstream(wrong.in, std::ios::app) << "{\"question\": \"?\"}\n";
  const test::ToolResult result = wrong.run();
  BOOST_TEST(result.code == 3, result.output);
  BOOST_TEST(says(result.output, "in.jsonl, line 10"), result.output);
  BOOST_TEST(!fs::exists(wrong.out));
}

// Two hosts with files of their own: the prompts are rank 0's, and another model is refused.
BOOST_AUTO_TEST_CASE(ranks_with_other_files_mix_nothing) {
  const Job job;
  for (const char* host : {"0", "1"}) {
    fs::create_directory(job.dir / host);
    fs::copy_file(test::golden("nano/v2_q2a4_trained.pt"), job.dir / host / "model.pt");
    std::ofstream(job.dir / host / "in.jsonl") << prompts();
  }
  std::ofstream(job.dir / "1" / "in.jsonl") << "{\"prompt\": \"of an earlier day\"}\n";
  const auto run = [&](const std::string& out) {
    std::ofstream(job.dir / "rank.sh")
        << "cd " << job.dir.path().string() << "/$OMPI_COMM_WORLD_RANK && exec " << test::bin("anemll_infer")
        << " model.pt --model-id " << test::golden("nano").string() << " --batch in.jsonl --out " << out
        << " --weight-format packed --temperature 2 --max-tokens 12 --threads 1 --seed 3\n";
    return test::run(test::mpirun(2, "sh " + (job.dir / "rank.sh").string()));
  };
  const test::ToolResult result = run(job.out.string());
  BOOST_TEST_REQUIRE(result.code == 0, result.output);
  BOOST_TEST(test::read_all(job.out) == answers());

  fs::copy_file(test::golden("nano/v2_q2a4_init.pt"), job.dir / "1" / "model.pt",
                fs::copy_options::overwrite_existing);
  const std::string other = (job.dir / "other.jsonl").string();
  test::expect(run(other), 3, {"the ranks do not agree", "model: ", "on rank 1"});
  BOOST_TEST(!fs::exists(other));
}

BOOST_AUTO_TEST_CASE(what_half_cannot_hold_is_told_of_all_ranks) {
  const auto told = [](int ranks) {
    const Job job;
    std::string command = job.command("--seed 3 --factored");
    const std::string packed = "--weight-format packed ";
    command.erase(command.find(packed), packed.size());
    const test::ToolResult result = test::run(test::mpirun(ranks, command));
    BOOST_TEST(result.code == 0, result.output);
    const std::size_t begin = result.output.find("FP16, all 14 linears");
    BOOST_REQUIRE_MESSAGE(begin != std::string::npos, result.output);
    return result.output.substr(begin, result.output.find('\n', begin) - begin);
  };
  BOOST_TEST(told(1) == told(2));
}

BOOST_AUTO_TEST_CASE(what_concerns_all_ranks_is_told_once) {
  const Job job;
  const test::ToolResult result = job.run(2, "--seed 3 --lut-bits 3 --greedy");
  BOOST_TEST(result.code == 0, result.output);
  for (const char* part : {"--lut-bits 3 is not what the checkpoint holds", "--seed has no effect"}) {
    const std::size_t at = result.output.find(part);
    BOOST_REQUIRE_MESSAGE(at != std::string::npos, "no '" << part << "' in: " << result.output);
    BOOST_TEST(result.output.find(part, at + 1) == std::string::npos, result.output);
  }
}

BOOST_AUTO_TEST_CASE(one_answer_is_made_by_one_process) {
  const test::ToolResult result =
      test::run(test::mpirun(2, test::bin("anemll_infer") + " --model-id " + test::golden("nano").string() +
                                    " --prompt hi --greedy --max-tokens 2"));
  BOOST_TEST(result.code == 2, result.output);
  BOOST_TEST(result.output.find("works in one process") != std::string::npos, result.output);
}

BOOST_AUTO_TEST_SUITE_END()
