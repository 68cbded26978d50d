// Signals and limits before the teacher runs.
#include "src/teacher/prepare.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/signals.hpp"
#include "tests/support/temp_dir.hpp"

#include <csignal>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace anemll {
namespace {

PrecomputeOptions nano_options(const std::filesystem::path& output) {
  PrecomputeOptions options;
  options.teacher = test::golden("nano").string();
  options.dataset = test::golden("datasets/c4_demo.jsonl").string();
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
  options.dataset = (temp / "padded.jsonl").string();
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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
