// anemll_infer from the outside: answers against full forward passes, what is told and refused, pipes, and a
// dialogue on a terminal.
#include "anemll/text/chat_template.hpp"
#include "anemll/text/tokenizer.hpp"
#include "tests/support/open_student.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/terminal_program.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using test::Answer;
using test::ask;
using test::refused;
using test::says;
using namespace std::chrono_literals;

namespace {

const std::string kTrained = test::golden("nano/v2_q2a4_trained.pt").string();
const std::string kQuestion = "What is the capital of France?";
constexpr std::int64_t kTokens = 24;

std::string nano() {
  return test::golden("nano").string();
}

std::string infer(const std::string& arguments) {
  return test::bin("anemll_infer") + " " + arguments + " --threads 1";
}

/// The document's command on the nano checkpoint. Packed: what is measured may differ from run to run, and
/// 16 bits a weight are not the model to the last bit.
std::string document(const std::string& more) {
  return infer(kTrained + " --model-id " + nano() +
               " --weight-format packed --version v2 --lut-bits 2 --attn-lut-bits 4 --scale-rank 32 "
               "--attn-scale-rank 8 " +
               more);
}

std::string greedy(const std::string& more = "") {
  return "--greedy --repetition-penalty 1 --max-tokens " + std::to_string(kTokens) + " " + more;
}

std::string in_quotes(const std::string& text) {
  return "\"" + text + "\"";
}

/// The answer to the question by a pass over the whole text for each token.
const std::string& golden_answer() {
  static const std::string text = [] {
    const at::NoGradGuard no_grad;
    anemll::Student student = test::open_student(anemll::load_model_files(test::golden("nano")), kTrained);
    student.set_evaluation();
    const anemll::TextModel model = anemll::load_text_model(test::golden("nano"));
    const std::string prompt = anemll::ChatTemplate::recognise(model.chat_template, "nano")
                                   .render({{"user", kQuestion}}, /*enable_thinking=*/true, true);
    std::vector<std::int64_t> all;
    for (const std::int32_t id : model.tokenizer.encode(prompt)) all.push_back(id);
    std::vector<std::int32_t> ids;
    while (static_cast<std::int64_t>(ids.size()) < kTokens) {
      const at::Tensor hidden = student.decoder().hidden(at::tensor(all, at::kLong).unsqueeze(0), {});
      const at::Tensor last = hidden.select(1, hidden.size(1) - 1);
      all.push_back(student.decoder().logits(last).argmax(-1).item<std::int64_t>());
      if (all.back() == *model.eos_id) break;
      ids.push_back(static_cast<std::int32_t>(all.back()));
    }
    return model.tokenizer.decode(ids, /*skip_special_tokens=*/true);
  }();
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_tool)

BOOST_AUTO_TEST_CASE(the_document_s_command_gives_the_answer_of_full_passes) {
  const Answer answer = ask(document(greedy("--prompt " + in_quotes(kQuestion))));
  BOOST_TEST_REQUIRE(answer.code == 0, answer.log);
  BOOST_TEST(!golden_answer().empty());
  BOOST_TEST(answer.out == golden_answer() + "\n");
  BOOST_TEST(says(answer.log, "Manually loaded 14 _Q buffers"), answer.log);
  BOOST_TEST(says(answer.log, "tokens/s; answer: "), answer.log);
  BOOST_TEST(!says(answer.log, "is not what the checkpoint holds"), answer.log);
  BOOST_TEST(!says(answer.log, "--seed"), answer.log);  // nothing was drawn

  const Answer zero = ask(
      document("--temperature 0 --repetition-penalty 1 --max-tokens 24 --prompt " + in_quotes(kQuestion)));
  BOOST_TEST(zero.out == answer.out);
  // A folder means the checkpoint in it.
  const test::TempDir dir;
  fs::copy_file(kTrained, dir / "best_state_dict.pt");
  const Answer folder = ask(infer(dir.path().string() + " --weight-format packed --model-id " + nano() + " " +
                                  greedy("--prompt " + in_quotes(kQuestion))));
  BOOST_TEST(folder.out == answer.out, folder.log);
}

BOOST_AUTO_TEST_CASE(numbers_and_options_without_effect_are_told) {
  const Answer answer = ask(infer(kTrained + " --model-id " + nano() +
                                  " --lut-bits 4 --scale-rank 8 --top-k 5 " + greedy("--prompt hi")));
  BOOST_TEST_REQUIRE(answer.code == 0, answer.log);
  BOOST_TEST(says(answer.log,
                  "--lut-bits 4 is not what the checkpoint holds: its shapes say 2; "
                  "--scale-rank 8 is not what the checkpoint holds: its shapes say 32"),
             answer.log);  // in one line
  BOOST_TEST(says(answer.log, "--top-k has no effect"), answer.log);
}

BOOST_AUTO_TEST_CASE(version_is_a_question_alone_and_a_claim_with_a_value) {
  const Answer build = ask(infer("--version"));  // --threads follows
  BOOST_TEST(build.code == 0, build.log);
  BOOST_TEST(says(build.out, "libtorch"), build.out);
  refused(infer(kTrained + " --version v1 --model-id " + nano() + " --prompt hi"), 2, "is a layer of v2");
  refused(infer(kTrained + " --version v3 --model-id " + nano() + " --prompt hi"), 2, "v3");
}

BOOST_AUTO_TEST_CASE(a_seed_repeats_an_answer) {
  const auto drawn = [](int seed) {
    return ask(document("--temperature 2 --max-tokens 24 --seed " + std::to_string(seed) + " --prompt " +
                        in_quotes(kQuestion)));
  };
  const Answer first = drawn(1), again = drawn(1), other = drawn(2);
  BOOST_TEST_REQUIRE(first.code == 0, first.log);
  BOOST_TEST(first.out == again.out);
  BOOST_TEST(first.out != other.out);
  const Answer without = ask(document("--sample --max-tokens 2 --prompt hi"));
  BOOST_TEST(says(without.log, "repeats this"), without.log);
  BOOST_TEST(!says(without.log, "--weight-format"), without.log);  // it was typed
}

BOOST_AUTO_TEST_CASE(the_format_of_the_weights_is_chosen_and_told) {
  const std::string checkpoint = kTrained + " --model-id " + nano();
  const std::string question = " --max-tokens 2 --prompt hi";
  const Answer measured = ask(infer(checkpoint + question));
  BOOST_TEST_REQUIRE(measured.code == 0, measured.log);
  BOOST_TEST(says(measured.log, ", the faster: "), measured.log);
  const bool packed = says(measured.log, "weights packed (14 of 14 linears)");
  BOOST_TEST(
      says(measured.log, packed ? "--weight-format packed repeats this" : "--weight-format dense repeats"),
      measured.log);
  const Answer dense = ask(infer(checkpoint + " --weight-format dense" + question));
  BOOST_TEST(says(dense.log, "weights dense, 16 bits each; linears "), dense.log);
  const Answer wide = ask(infer(checkpoint + " --weight-format packed --precision bf16" + question));
  BOOST_TEST(says(wide.log, "--weight-format has no effect on a GPU and in bf16"), wide.log);
  refused(infer("--weight-format packed --prompt hi --model-id " + nano()), 2, "plain weights have no codes");
}

BOOST_AUTO_TEST_CASE(plain_weights_answer_too) {
  const Answer named = ask(infer("--model-id " + nano() + " " + greedy("--prompt " + in_quotes(kQuestion))));
  BOOST_TEST_REQUIRE(named.code == 0, named.log);
  const Answer placed = ask(infer(nano() + " --scale-rank 4 " + greedy("--prompt " + in_quotes(kQuestion))));
  BOOST_TEST(placed.out == named.out, placed.log);
  BOOST_TEST(says(placed.log, "--scale-rank has no effect on plain weights"), placed.log);
  BOOST_TEST(named.out != golden_answer() + "\n");
}

BOOST_AUTO_TEST_CASE(a_v1_run_answers_snapped_or_not) {
  const test::TempDir dir;
  const auto trained =
      test::run(test::bin("anemll_train_v1") + " --model-id " + nano() + " --kd-cache-dir " +
                test::golden("nano/cache").string() + " --output-dir " + (dir / "run").string() +
                " --lut-size 4 --scale-rank 4 --group-size 2 --train-weights --max-steps 2 --batch-size 4 "
                "--dtype fp32 --threads 1 --eval-samples 4 --snap-weights");
  BOOST_TEST_REQUIRE(trained.code == 0, trained.output);
  const std::string run = (dir / "run").string() + " --model-id " + nano() + " ";
  const Answer snapped = ask(infer(run + "--version v1 " + greedy("--prompt " + in_quotes(kQuestion))));
  BOOST_TEST(snapped.code == 0, snapped.log);
  BOOST_TEST(snapped.out.size() > 1U);
  BOOST_TEST(says(snapped.log, "8 of 14 linears have no scales"), snapped.log);  // attention
  const Answer best = ask(infer((dir / "run/best_state_dict.pt").string() + " --model-id " + nano() + " " +
                                greedy("--prompt " + in_quotes(kQuestion))));
  BOOST_TEST(best.code == 0, best.log);
  refused(infer(run + "--version v2 --prompt hi"), 2, "is a layer of v1");
  refused(infer(run + "--factored --prompt hi"), 2, "not computed rank by rank");
}

BOOST_AUTO_TEST_CASE(snapped_and_merged_folders_answer_too) {
  const test::TempDir dir;
  const std::string of_nano = " --model-id " + nano();
  const auto snapped = test::run(test::bin("anemll_snap") + " --checkpoint " + kTrained + of_nano +
                                 " --fp16 --output " + (dir / "snap").string());
  BOOST_TEST_REQUIRE(snapped.code == 0, snapped.output);
  const auto merged = test::run(test::bin("anemll_convert") + " merge " + kTrained + " " +
                                (dir / "merged").string() + of_nano + " --dtype fp32");
  BOOST_TEST_REQUIRE(merged.code == 0, merged.output);
  for (const char* folder : {"snap", "merged"}) {
    // Each knows its model: the snap by its config.json.
    const std::string place = (dir / folder).string();
    const Answer answer = ask(infer(place + " " + greedy("--prompt " + in_quotes(kQuestion))));
    BOOST_TEST(answer.code == 0, answer.log);
    BOOST_TEST(answer.out.size() > 1U, folder << ": " << answer.log);
  }
}

BOOST_AUTO_TEST_CASE(rank_by_rank_in_half_counts_what_it_cannot_hold) {
  const Answer answer = ask(document("--factored --greedy --max-tokens 3 --prompt hi"));
  BOOST_TEST_REQUIRE(answer.code == 0, answer.log);
  BOOST_TEST(says(answer.log, "FP16, all 14 linears: 0 of "), answer.log);
  refused(infer("--factored --prompt hi --model-id " + nano()), 2, "plain weights have no factors");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_answered_is_refused) {
  const test::TempDir dir;
  refused(infer(kTrained + " --model-id " + nano()), 2, "there is nothing to answer");
  refused(infer("--prompt hi"), 2, "no model is given");
  refused(infer(kTrained + " --batch a.jsonl"), 2, "need a file");
  refused(infer(kTrained + " --batch a.jsonl --out b.jsonl --prompt hi"), 2, "exclude each other");
  refused(infer((dir / "absent.pt").string() + " --prompt hi"), 3, "absent.pt");
  refused(infer(dir.path().string() + " --prompt hi"), 3, "neither a checkpoint");
  for (const char* name : {"a.pt", "b.pt"}) std::ofstream(dir / name) << "x";
  refused(infer(dir.path().string() + " --prompt hi"), 2, "several checkpoints: a.pt, b.pt");
  std::string long_text;
  for (int i = 0; i < 600; ++i) long_text += "x 7 ";
  refused(document("--prompt " + in_quotes(long_text)), 3, "the model takes 512");
}

BOOST_AUTO_TEST_CASE(a_reader_that_leaves_ends_it_quietly) {
  const test::ToolResult result = test::run("bash -c 'set -o pipefail; " +
                                            document(greedy("--prompt Hello")) + " 2>/dev/null | head -c 1'");
  BOOST_TEST(result.code == 0, result.output);
  BOOST_TEST(result.output.size() <= 1U);
}

BOOST_AUTO_TEST_CASE(a_dialogue_through_a_pipe) {
  const test::TempDir dir;
  const std::string file = (dir / "talk.json").string();
  const std::string lines = kQuestion + "\\n/save " + file + "\\n/save " + file + "\\n/nonsense\\n/reset\\n" +
                            kQuestion + "\\nquit\\nnever read\\n";
  const Answer answer = ask("printf '" + lines + "' | " + document(greedy("--interactive")));
  BOOST_TEST_REQUIRE(answer.code == 0, answer.log);
  BOOST_TEST(answer.out == golden_answer() + "\n" + golden_answer() + "\n");
  BOOST_TEST(says(answer.log, "is there already"), answer.log);
  BOOST_TEST(says(answer.log, "no such command"), answer.log);
  const auto saved = nlohmann::json::parse(test::read_all(file));
  const auto& messages = saved.at("messages");
  BOOST_TEST_REQUIRE(messages.size() == 2U);
  BOOST_TEST(messages[0].at("content") == kQuestion);
  BOOST_TEST(messages[1].at("content") == golden_answer());
}

BOOST_AUTO_TEST_CASE(a_dialogue_on_a_terminal) {
  test::TerminalProgram program(document(greedy("--interactive")));
  BOOST_TEST_REQUIRE(program.wait_for("> "), program.shown());
  program.type(kQuestion + "X\x7f\n");  // a letter too many is taken back
  BOOST_TEST_REQUIRE(program.wait_for("tokens/s; answer: "), program.shown());
  std::string answer = golden_answer();
  std::erase(answer, '\r');  // what is shown has plain line ends
  BOOST_TEST(says(program.shown(), answer), program.shown());
  BOOST_TEST(program.wait_for("> "), program.shown());
  // Keys that control come to the editor once it has the terminal, which is behind its prompt.
  BOOST_TEST_REQUIRE(program.wait_for_editing(), program.shown());
  program.type("half a line\x03");  // dropped, and the program goes on
  BOOST_TEST(program.wait_for("> "), program.shown());
  program.type("/help\n");
  BOOST_TEST(program.wait_for("/reset"), program.shown());
  BOOST_TEST(program.wait_for("> "), program.shown());
  BOOST_TEST_REQUIRE(program.wait_for_editing(), program.shown());
  program.type("\x04");
  BOOST_TEST(program.wait_for_end() == 0, program.shown());
}

BOOST_AUTO_TEST_CASE(ctrl_c_stops_an_answer_and_not_the_program) {
  // Rank by rank an answer of all 512 positions takes seconds.
  test::TerminalProgram program(document("--factored --greedy --max-tokens 100000 --interactive"));
  BOOST_TEST_REQUIRE(program.wait_for("> "), program.shown());
  // The prompt is shown before the line is edited. A Ctrl-C between the two would throw away what was typed.
  const auto say = [&program](const std::string& line) {
    BOOST_TEST_REQUIRE(program.wait_for_editing(), program.shown());
    program.type(line + "\n");
    BOOST_TEST_REQUIRE(program.wait_for(line), program.shown());
  };
  say("Tell me a long story");
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  bool stopped = false;
  while (!stopped && std::chrono::steady_clock::now() < deadline) {
    if (program.keys_are_signals()) program.type("\x03");
    stopped = program.wait_for("; stopped", 100ms);
    // An answer may end by itself before the key comes.
    if (!stopped && program.wait_for("> ", 0ms)) say("Tell me another one");
  }
  BOOST_TEST_REQUIRE(stopped, program.shown());
  BOOST_TEST(program.wait_for("> "), program.shown());
  program.type("/quit\n");
  BOOST_TEST(program.wait_for_end() == 0, program.shown());
}

BOOST_AUTO_TEST_SUITE_END()
