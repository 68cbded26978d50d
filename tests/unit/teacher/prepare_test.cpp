// Signals and limits before the teacher runs.
#include "src/teacher/internal/prepare.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/core/signals.hpp"
#include "tests/support/gguf_model.hpp"
#include "tests/support/gguf_tokenizer.hpp"
#include "tests/support/temp_dir.hpp"

#include <csignal>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace anemll {
namespace {

PrecomputeOptions nano_options(const std::filesystem::path& output) {
  PrecomputeOptions options;
  options.teacher = test::golden("nano").string();
  options.dataset.name = test::golden("datasets/c4_demo.jsonl").string();
  options.output_dir = output.string();
  options.max_length = 32;
  options.topk = 8;
  options.batch_size = 4;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(teacher_prepare)

BOOST_AUTO_TEST_CASE(a_signal_is_heard_while_tokenising) {
  const test::TempDir temp;
  const PrecomputeOptions options = nano_options(temp / "c");
  install_signal_flag();
  std::raise(SIGTERM);
  try {
    (void)prepare_precompute(options, "fp32", 1);
    BOOST_ERROR("no error");
  } catch (const Error& e) {
    BOOST_TEST(static_cast<int>(e.code()) == static_cast<int>(ExitCode::save_and_requeue));
  }
  clear_pending_signal();
  const Prepared again = prepare_precompute(options, "fp32", 1);  // the same command
  BOOST_TEST((again.workspace->state() == Workspace::State::fresh));
  BOOST_TEST(std::filesystem::exists(Workspace::plan_file(again.workspace->folder())));
}

// "As many as there are" is a large number, for which no disk has room.
BOOST_AUTO_TEST_CASE(more_sequences_than_the_text_has) {
  const test::TempDir temp;
  PrecomputeOptions options = nano_options(temp / "c");
  options.num_sequences = std::int64_t{1} << 40;
  const Prepared prepared = prepare_precompute(options, "fp32", 1);
  BOOST_TEST(prepared.workspace->plan().rows > 10);
  BOOST_TEST(prepared.workspace->plan().rows < 100000);
}

// The only document may be drawn into the hold-out part: then there is text, but none to train on.
BOOST_AUTO_TEST_CASE(a_document_that_is_held_out_is_told) {
  const test::TempDir temp;
  PrecomputeOptions options = nano_options(temp / "c");
  options.holdout = 0.5;
  options.batch_size = 1;
  options.num_sequences = 4;
  options.dataset.name = (temp / "one.txt").string();
  int held = 0;
  for (int i = 0; i < 16; ++i) {
    std::string text = std::to_string(i);
    for (int n = 0; n < 60; ++n) text += " words of a text";
    write_file(temp / "one.txt", text);
    options.overwrite = true;
    options.holdout = 0.5;
    try {
      (void)prepare_precompute(options, "fp32", 1);
    } catch (const Error& e) {
      ++held;
      const std::string said = e.what();
      for (const char* part :
           {"--holdout 0.5 holds out 1 of the 1 documents", "gave 0 tokens, one sequence needs 32", "one.txt",
            "--holdout 0 ", "--cut-corpora"})
        BOOST_TEST(said.find(part) != std::string::npos, part << " is not in " << said);
      options.holdout = 0;  // the way on
      BOOST_TEST(prepare_precompute(options, "fp32", 1).workspace->plan().rows == 4);
    }
  }
  BOOST_TEST(held > 0);
  BOOST_TEST(held < 16);
  write_file(temp / "one.txt", "short");  // too little in either part
  options.holdout = 0.5;
  for (int i = 0; i < 2; ++i, options.holdout = 0)
    BOOST_CHECK_EXCEPTION(prepare_precompute(options, "fp32", 1), Error, [](const Error& e) {
      return std::string(e.what()).find("too little text: 1 documents") != std::string::npos;
    });
}

// The nano model with one added token past its embedding, as fine-tuners leave it.
BOOST_AUTO_TEST_CASE(a_token_past_the_embedding_matters_where_it_occurs) {
  const test::TempDir temp;
  const std::filesystem::path model = temp / "model";
  std::filesystem::create_directories(model);
  for (const char* name :
       {"config.json", "model.safetensors", "tokenizer_config.json", "chat_template.jinja"})
    std::filesystem::copy_file(test::golden("nano") / name, model / name);
  auto tokenizer = nlohmann::json::parse(read_text(test::golden("nano") / "tokenizer.json"));
  auto pad = tokenizer["added_tokens"].front();
  pad["id"] = 4096;
  pad["content"] = "[PAD]";
  tokenizer["added_tokens"].push_back(pad);
  write_file(model / "tokenizer.json", tokenizer.dump());

  PrecomputeOptions options = nano_options(temp / "fits");
  options.teacher = model.string();
  BOOST_TEST(prepare_precompute(options, "fp32", 1).workspace->plan().rows > 10);

  write_file(temp / "padded.jsonl", R"({"text": "some words [PAD] and more"})");
  options.dataset.name = (temp / "padded.jsonl").string();
  options.output_dir = (temp / "occurs").string();
  BOOST_CHECK_EXCEPTION(prepare_precompute(options, "fp32", 1), Error, [](const Error& e) {
    const std::string text = e.what();
    BOOST_TEST(text.find("[PAD]") != std::string::npos, text);
    return e.code() == ExitCode::data && text.find("4096") != std::string::npos &&
           text.find("different models") == std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(the_order_of_payloads_makes_no_other_cache) {
  const test::TempDir temp;
  PrecomputeOptions options = nano_options(temp / "c");
  options.payloads = {Payload::topk, Payload::lse, Payload::hidden};
  (void)prepare_precompute(options, "fp32", 1);
  options.payloads = {Payload::topk, Payload::hidden, Payload::lse};
  options.resume = true;
  BOOST_TEST((prepare_precompute(options, "fp32", 1).workspace->state() == Workspace::State::resumed));
}

// What the pass over the text needs of a teacher is there when the preparations end.
BOOST_AUTO_TEST_CASE(a_gguf_teacher_is_handed_on) {
  const test::TempDir temp;
  const ModelFiles nano = load_model_files(test::golden("nano"));
  test::GgufWriter writer;
  test::put_architecture(writer, nano.architecture);
  test::put_tokenizer(writer, test::golden("nano"), "<|im_end|>");
  test::put_tensors(writer, nano.architecture, nano.tensors).write(temp / "nano.gguf");
  PrecomputeOptions options = nano_options(temp / "gguf");
  options.teacher = (temp / "nano.gguf").string();
  const Prepared prepared = prepare_precompute(options, "fp32", 1);
  BOOST_TEST(prepared.teacher_path == options.teacher);
  BOOST_TEST(prepared.teacher.fingerprint == nano.fingerprint);
  BOOST_TEST(prepared.teacher.tensors.size() == nano.tensors.size());

  // The folder's tokenizer packs the same text into the same rows, and the folder is the same teacher.
  const Prepared of_folder = prepare_precompute(nano_options(temp / "folder"), "fp32", 1);
  const Plan &a = prepared.workspace->plan(), &b = of_folder.workspace->plan();
  BOOST_TEST(a.tokens_sha256 == b.tokens_sha256);
  const auto teacher_of = [](const Plan& plan) {
    return nlohmann::json::parse(plan.identity_json)["teacher_fingerprint"].get<std::string>();
  };
  BOOST_TEST(teacher_of(a) == teacher_of(b));
}

BOOST_AUTO_TEST_CASE(a_plan_of_an_earlier_version_goes_on) {
  const test::TempDir temp;
  PrecomputeOptions options = nano_options(temp / "c");
  const ModelFiles nano = load_model_files(test::golden("nano"));
  const std::filesystem::path file =
      Workspace::plan_file(prepare_precompute(options, "fp32", 1).workspace->folder());
  options.resume = true;
  const std::string plan = read_text(file);
  const auto with_fingerprint = [&](const std::string& text) {
    std::string changed = plan;
    for (std::size_t at = 0; (at = changed.find(nano.fingerprint, at)) != std::string::npos;
         at += text.size())
      changed.replace(at, nano.fingerprint.size(), text);
    BOOST_REQUIRE(changed != plan);
    write_file(file, changed);
  };
  with_fingerprint(nano.first_fingerprint);
  {
    const Prepared resumed = prepare_precompute(options, "fp32", 1);
    BOOST_TEST((resumed.workspace->state() == Workspace::State::resumed));
    // Its micro-batches and its cache carry the id that they began with.
    BOOST_TEST(resumed.workspace->plan().identity_json.find(nano.first_fingerprint) != std::string::npos);
  }
  PrecomputeOptions changed = options;
  changed.topk = options.topk / 2;
  BOOST_CHECK_EXCEPTION(prepare_precompute(changed, "fp32", 1), Error, [](const Error& e) {
    const std::string text = e.what();  // the option, and not the teacher by another rule
    return text.find("topk was ") != std::string::npos && text.find("fingerprint") == std::string::npos;
  });
  with_fingerprint(std::string(64, 'a'));
  BOOST_CHECK_EXCEPTION(prepare_precompute(options, "fp32", 1), Error, [](const Error& e) {
    return e.code() == ExitCode::usage &&
           std::string(e.what()).find("teacher_fingerprint was \"aaaa") != std::string::npos;
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
