// anemll_eval from the outside: figures against plain tensor operations in double, ranks, sources, questions,
// reports, and what is refused.
#include "anemll/text/tokenizer.hpp"
#include "tests/support/open_student.hpp"
#include "tests/support/other_tokenizer.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using nlohmann::json;
using test::Answer;
using test::ask;
using test::refused;
using test::says;

namespace {

const std::string kTrained = test::golden("nano/v2_q2a4_trained.pt").string();
constexpr std::int64_t kContext = 64;
constexpr std::int64_t kChunks = 4;
// Sums of fp32 logits against double, in nats.
constexpr double kFp32 = 1e-4;

std::string nano() {
  return test::golden("nano").string();
}

std::string eval(const std::string& arguments) {
  return test::bin("anemll_eval") + " " + arguments + " --threads 1";
}

json json_of(const std::string& command) {
  const Answer answer = ask(command + " --json");
  BOOST_TEST_REQUIRE(answer.code == 0, answer.log);
  return json::parse(answer.out);
}

/// A text of some hundred tokens, in a file.
struct Text {
  test::TempDir dir;
  std::string file = (dir / "text.txt").string();
  std::string content;

  Text() {
    for (int i = 0; i < 60; ++i)
      content +=
          "Line " + std::to_string(i) + " of this text says that {x = " + std::to_string(7 * i) + "}.\n";
    std::ofstream(file) << content;
  }
  std::string arguments() const {
    return " --text " + file + " --context " + std::to_string(kContext) + " --chunks " +
           std::to_string(kChunks);
  }
};

struct Figures {
  double kl = 0, teacher_nll = 0, student_nll = 0, top1 = 0;
};

/// The protocol by its definition.
Figures by_hand(const std::string& content) {
  const at::NoGradGuard no_grad;
  const anemll::ModelFiles files = anemll::load_model_files(test::golden("nano"));
  anemll::Student student = test::open_student(files, kTrained);
  student.set_evaluation();
  anemll::Decoder teacher(files, at::kCPU, /*dense=*/true);
  const anemll::TextModel text = anemll::load_text_model(test::golden("nano"));
  const std::vector<std::int32_t> ids = text.tokenizer.encode(content);
  Figures f;
  double count = 0;
  for (std::int64_t c = 0; c < kChunks; ++c) {
    const std::vector<std::int64_t> part(ids.begin() + c * kContext, ids.begin() + (c + 1) * kContext);
    const at::Tensor chunk = at::tensor(part, at::kLong).unsqueeze(0);
    const auto log_p = [&](anemll::Decoder& m) {
      return at::log_softmax(m.logits(m.hidden(chunk, {})).squeeze(0).to(at::kDouble), 1);
    };
    const at::Tensor p = log_p(teacher);
    const at::Tensor q = log_p(student.decoder());
    for (std::int64_t s = kContext / 2; s <= kContext - 2; ++s) {
      const std::int64_t next = part[static_cast<std::size_t>(s + 1)];
      f.kl += p[s].exp().mul(p[s].sub(q[s])).sum().item<double>();
      f.teacher_nll -= p[s][next].item<double>();
      f.student_nll -= q[s][next].item<double>();
      f.top1 += p[s].argmax().equal(q[s].argmax()) ? 1 : 0;
      ++count;
    }
  }
  return {f.kl / count, f.teacher_nll / count, f.student_nll / count, f.top1 / count};
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

double number(const json& row, const char* key) {
  return row.at(key).get<double>();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(eval_tool)

BOOST_AUTO_TEST_CASE(a_checkpoint_beside_its_model) {
  const Text text;
  const json got = json_of(eval(kTrained + " " + nano() + " --model-id " + nano() + text.arguments()));
  const Figures wanted = by_hand(text.content);
  const json& student = got.at("models").at(0);
  const json& teacher = got.at("models").at(1);
  BOOST_TEST(std::abs(number(student, "kl") - wanted.kl) < kFp32);
  BOOST_TEST(std::abs(std::log(number(student, "perplexity")) - wanted.student_nll) < kFp32);
  BOOST_TEST(std::abs(std::log(number(student, "teacher_perplexity")) - wanted.teacher_nll) < kFp32);
  BOOST_TEST(std::abs(number(student, "top1") - wanted.top1) < 1e-6);
  BOOST_TEST(number(student, "kl_low") <= number(student, "kl"));
  BOOST_TEST(number(student, "kl_high") >= number(student, "kl"));
  BOOST_TEST(number(student, "kl_median") <= number(student, "kl_p90"));
  BOOST_TEST(number(student, "kl_p99") <= number(student, "kl_p999"));
  BOOST_TEST(number(student, "top5") >= number(student, "top1"));
  BOOST_TEST(number(student, "tokens_per_s") > 0);
  BOOST_TEST(number(student, "bits_per_weight") < number(teacher, "bits_per_weight"));
  // The model does not differ from itself.
  BOOST_TEST(std::abs(number(teacher, "kl")) < 1e-6);
  BOOST_TEST(number(teacher, "top1") == 1);
  BOOST_TEST(number(teacher, "bits_per_weight") == 16);
  const json& pair = got.at("pairs").at(0);
  BOOST_TEST(std::abs(number(pair, "kl") + number(student, "kl")) < 1e-6);
  BOOST_TEST(number(pair, "kl_high") < 0);
  BOOST_TEST(got.at("positions") == kChunks * (kContext / 2 - 1));
  std::int64_t digits = 0;
  std::int64_t by_token = 0;
  for (const json& part : got.at("parts")) {
    if (part.at("model") != kTrained || part.at("by") != "token") continue;
    by_token += part.at("positions").get<std::int64_t>();
    if (part.at("part") == "token digits") digits = part.at("positions").get<std::int64_t>();
  }
  BOOST_TEST(by_token == got.at("positions").get<std::int64_t>());
  BOOST_TEST(digits > 0);
}

BOOST_AUTO_TEST_CASE(ranks_share_the_chunks_and_change_nothing) {
  const Text text;
  const std::string command = eval(kTrained + " --model-id " + nano() + text.arguments());
  json alone = json_of(command);
  json both = json_of(test::mpirun(2, command));
  for (json* report : {&alone, &both}) report->at("models").at(0).erase("tokens_per_s");
  BOOST_TEST(alone == both, both.dump(1));
}

BOOST_AUTO_TEST_CASE(what_concerns_all_ranks_is_told_once) {
  const test::TempDir dir;
  fs::create_directory(dir / "model");
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"})
    fs::copy_file(test::golden("nano") / name, dir / "model" / name);
  std::string config = test::read_all(dir / "model/config.json");
  config.insert(config.find('{') + 1, "\"a_key_of_nobody\": 1, ");
  std::ofstream(dir / "model/config.json") << config;
  std::string tokenizer = test::read_all(dir / "model/tokenizer.json");
  tokenizer.insert(tokenizer.find('{') + 1, "\"a_word_of_nobody\": 1, ");
  std::ofstream(dir / "model/tokenizer.json") << tokenizer;
  std::ofstream(dir / "set.jsonl") << R"({"text": "A first document, which is not long."})"
                                   << "\n"
                                   << R"({"text": "A second document, which is not long either."})"
                                   << "\n"
                                   << R"({"text": "a"})"
                                   << "\n";
  const std::string command =
      eval((dir / "model").string() + " --jsonl " + (dir / "set.jsonl").string() + " --chunks 3");
  const auto told = test::run(test::mpirun(2, command));
  BOOST_TEST(told.code == 0, told.output);
  for (const char* part : {"a_key_of_nobody", "a_word_of_nobody", "not scored: 1 documents"})
    BOOST_TEST(count_of(told.output, part) == 1u, part << " in: " << told.output);
  const auto strict = test::run(test::mpirun(2, command + " --strict"));
  BOOST_TEST(strict.code == 3, strict.output);
  BOOST_TEST(count_of(strict.output, "a_word_of_nobody") == 1u, strict.output);
  BOOST_TEST(!says(strict, "MPI_ABORT"), strict.output);
}

BOOST_AUTO_TEST_CASE(a_score_that_cannot_be_written_is_one_error_of_all_ranks) {
  const Text text;
  // The name is as long as a name may be; that of the draft beside it is longer.
  const std::string file = (text.dir / (std::string(247, 'x') + ".md")).string();
  const auto result =
      test::run(test::mpirun(2, eval(nano() + text.arguments() + " --no-teacher --output " + file)));
  BOOST_TEST(result.code == 3, result.output);
  BOOST_TEST(says(result, "cannot create"), result.output);
  BOOST_TEST(says(result, "| model |"), result.output);  // the figures are not lost
  BOOST_TEST(!says(result, "MPI_ABORT"), result.output);
}

BOOST_AUTO_TEST_CASE(windows_of_three_kinds) {
  const Text text;
  const std::string command = eval(nano() + " --text " + text.file + " --context 64 --chunks 0");
  const std::size_t tokens =
      anemll::load_text_model(test::golden("nano")).tokenizer.encode(text.content).size();
  const json sliding = json_of(command + " --windows sliding --stride 16");
  BOOST_TEST(sliding.at("positions").get<std::size_t>() == tokens - 1);
  const json batched = json_of(command + " --windows batched");
  BOOST_TEST(batched.at("positions").get<std::size_t>() == tokens / 64 * 63);
  BOOST_TEST(batched.at("teacher").is_null());
  BOOST_TEST(batched.at("models").at(0).at("kl").is_null());
  BOOST_TEST(number(batched.at("models").at(0), "perplexity") > 1);
  BOOST_TEST((batched.at("text_digest") != sliding.at("text_digest")));
}

BOOST_AUTO_TEST_CASE(snapped_and_merged_folders_are_the_model) {
  const test::TempDir dir;
  const Text text;
  const std::string of_nano = " --model-id " + nano();
  const auto snapped = test::run(test::bin("anemll_snap") + " --checkpoint " + kTrained + of_nano +
                                 " --fp16 --output " + (dir / "snap").string());
  BOOST_TEST_REQUIRE(snapped.code == 0, snapped.output);
  const auto merged = test::run(test::bin("anemll_convert") + " merge " + kTrained + " " +
                                (dir / "merged").string() + of_nano + " --dtype fp32");
  BOOST_TEST_REQUIRE(merged.code == 0, merged.output);
  const json got = json_of(eval((dir / "snap").string() + " " + (dir / "merged").string() + " --teacher " +
                                kTrained + of_nano + text.arguments()));
  for (const json& model : got.at("models")) {
    BOOST_TEST(number(model, "kl") < 1e-3, model.dump());
    BOOST_TEST(number(model, "file_mib") > 0);
  }
  BOOST_TEST(number(got.at("models").at(1), "bits_per_weight") == 32);
}

BOOST_AUTO_TEST_CASE(caches_records_and_questions) {
  const test::TempDir dir;
  std::ofstream(dir / "set.jsonl") << R"({"text": "A first document, which is not long."})"
                                   << "\n"
                                   << R"({"text": "A second document, which is not long either."})"
                                   << "\n";
  std::ofstream(dir / "questions.jsonl")
      << R"({"question": "Two and two?", "choices": ["four", "five", "six"], "answer": 0})"
      << "\n"
      << R"({"question": "Three?", "choices": ["no", "yes"], "answer": "B"})"
      << "\n";
  const json got = json_of(eval(kTrained + " " + nano() + " --model-id " + nano() + " --jsonl " +
                                (dir / "set.jsonl").string() + " --cache-dir " +
                                test::golden("nano/cache").string() + " --work-dir " + dir.path().string() +
                                " --choices " + (dir / "questions.jsonl").string() + " --chunks 3"));
  BOOST_TEST(got.at("chunks") == 2 + 3);
  BOOST_TEST(got.at("sources").size() == 2u);
  int by_source = 0;
  for (const json& part : got.at("parts")) by_source += part.at("by") == "source" ? 1 : 0;
  BOOST_TEST(by_source == 2 * 2);
  for (const json& model : got.at("models")) {
    BOOST_TEST(model.at("questions") == 2);
    const double accuracy = number(model, "accuracy");
    BOOST_TEST((accuracy == 0 || accuracy == 0.5 || accuracy == 1));
  }
  // Questions alone need no teacher.
  const json alone = json_of(eval(nano() + " --choices " + (dir / "questions.jsonl").string()));
  BOOST_TEST(alone.at("models").at(0).at("accuracy") == got.at("models").at(1).at("accuracy"));
  BOOST_TEST(alone.at("models").at(0).at("perplexity").is_null());
}

BOOST_AUTO_TEST_CASE(tables_for_people) {
  const Text text;
  const std::string command = eval(kTrained + " " + nano() + " --model-id " + nano() + text.arguments());
  const Answer table = ask(command + " --parts");
  BOOST_TEST_REQUIRE(table.code == 0, table.log);
  for (const char* part : {"teacher: ", "kl_p999", "top5", "perplexity", "bits_per_weight", "differences",
                           "token digits", "position 32 to 39"})
    BOOST_TEST(says(table.out, part), "no '" << part << "' in: " << table.out);
  const Answer markdown = ask(command + " --markdown");
  BOOST_TEST(says(markdown.out, "| model | kl |"), markdown.out);
  BOOST_TEST(!says(markdown.out, "token digits"), markdown.out);

  // Into files: one that is there is never replaced unasked, and the figures are not lost with the disk.
  const test::TempDir dir;
  const std::string file = (dir / "scores/of/nano.md").string(), to_file = command + " --output " + file;
  BOOST_TEST(ask(to_file).code == 0);
  BOOST_TEST(test::read_all(file).find("| model | kl |") != std::string::npos);
  refused(to_file + " --text absent.txt", 2, "is there already");
  refused(command + " --text absent.txt --overwrite --output /dev/null", 2, "is no file");
  BOOST_TEST(fs::is_character_file("/dev/null"));
  BOOST_TEST(ask(to_file + " --overwrite").code == 0);
  const Answer told = ask(command + " --overwrite");
  BOOST_TEST(says(told.log, "--overwrite has no effect without --output"), told.log);
  const Answer full = ask("PMIX_MCA_gds=hash OMPI_MCA_btl=self bash -c 'set -o pipefail; ( ulimit -f 0; " +
                          command + " --output " + (dir / "full.md").string() + " ) | cat'");
  BOOST_TEST(full.code == 3, full.log);
  BOOST_TEST(says(full.out, "| model | kl |"), full.out);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_compared_is_refused) {
  const Text text;
  const test::TempDir dir;
  refused(eval(nano()), 2, "nothing to score");
  refused(eval("--text " + text.file), 2, "MODEL");
  refused(eval(nano() + text.arguments() + " --json --markdown"), 2, "--json, --markdown");
  refused(eval(nano() + text.arguments() + " --teacher " + nano() + " --no-teacher"), 2, "--no-teacher");
  refused(eval(nano() + " --text " + (dir / "absent.txt").string()), 3, "absent.txt");
  refused(eval((dir / "absent.pt").string() + text.arguments()), 3, "absent.pt");
  refused(eval(nano() + " --text " + text.file + " --context 1024"), 3, "takes 512");
  refused(eval(nano() + text.arguments() + " --windows sliding --stride 65"), 2, "--stride");
  const auto full = test::run("( " + eval(nano() + text.arguments()) + " > /dev/full )");
  BOOST_TEST(full.code == 3, full.output);
  BOOST_TEST(says(full.output, "cannot write"), full.output);
  // As many ids, of which each means something else.
  const std::string other = (dir / "other").string();
  test::write_model_with_other_ids(other);
  refused(eval(kTrained + " " + other + text.arguments() + " --model-id " + nano()), 3,
          "for this model, and ");
  refused(eval(other + text.arguments() + " --teacher " + nano()), 3, "for this model, and ");
  BOOST_TEST(ask(eval(other + text.arguments() + " --teacher " + nano() + " --tokenizer " + nano())).code ==
             0);
  const Answer told = ask(eval(nano() + text.arguments() + " --stride 8"));
  BOOST_TEST(says(told.log, "--stride has no effect without --windows sliding"), told.log);
}

BOOST_AUTO_TEST_SUITE_END()
