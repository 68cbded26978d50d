// What a model says about sampling, and where its ends of text come from.
#include "src/infer/generation_config.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/infer/prompt_check.hpp"
#include "tests/support/temp_dir.hpp"

#include <string>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

using Stops = std::set<std::int32_t>;

struct Files {
  GenerationConfig read(const std::string& text, const std::string& config = "{}",
                        std::optional<std::int32_t> eos = std::nullopt) const {
    write_file(dir / "generation_config.json", text);
    return read_generation_config(dir / "generation_config.json", config, eos);
  }
  test::TempDir dir;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_generation_config)

BOOST_AUTO_TEST_CASE(all_ends_of_text_count) {
  const Files files;
  const GenerationConfig list =
      files.read(R"({"eos_token_id": [7, 5], "top_k": 20, "top_p": 0.95})", R"({"eos_token_id": 3})", 9);
  BOOST_TEST((list.stops == Stops{5, 7}));
  BOOST_TEST(list.stops_source == "generation_config.json");
  BOOST_TEST(list.top_k == 20);
  BOOST_TEST(list.top_p == 0.95);
  BOOST_TEST((files.read(R"({"eos_token_id": 4})").stops == Stops{4}));
}

BOOST_AUTO_TEST_CASE(who_is_asked_next) {
  const Files files;
  const GenerationConfig config = files.read(R"({"eos_token_id": null})", R"({"eos_token_id": [3]})", 9);
  BOOST_TEST((config.stops == Stops{3}));
  BOOST_TEST(config.stops_source == "config.json");
  BOOST_TEST(config.top_k == 50);
  BOOST_TEST(config.top_p == 1.0);
  const GenerationConfig tokenizer = read_generation_config({}, R"({"eos_token_id": null})", 9);
  BOOST_TEST((tokenizer.stops == Stops{9}));
  BOOST_TEST(tokenizer.stops_source == "the tokenizer");
  const GenerationConfig none = read_generation_config(files.dir / "absent.json", "{}", std::nullopt);
  BOOST_TEST(none.stops.empty());
  BOOST_TEST(none.stops_source.empty());
}

BOOST_AUTO_TEST_CASE(rules_that_are_not_applied_are_told) {
  const Files files;
  const GenerationConfig config = files.read(
      R"({"min_p": 0.05, "no_repeat_ngram_size": 0, "typical_p": 1.0, "bad_words_ids": null, "temperature": 0.6,
          "transformers_version": "5.0"})");
  const auto told = config.inventory.names(Fate::left_out, "key of generation_config.json");
  BOOST_TEST(told.size() == 1U);
  BOOST_TEST(told.contains("min_p"));
  BOOST_TEST(files.read(R"({"top_k": null})").top_k == 0);
}

BOOST_AUTO_TEST_CASE(bad_files_name_the_key) {
  const Files files;
  for (const char* text : {"[1]", "{", R"({"eos_token_id": "x"})", R"({"eos_token_id": [-1]})",
                           R"({"top_k": -1})", R"({"top_k": 1.5})", R"({"top_p": 2})"}) {
    BOOST_CHECK_EXCEPTION(files.read(text), Error, [](const Error& e) {
      return e.code() == ExitCode::data && e.where().find("generation_config.json") != std::string::npos;
    });
  }
}

// A base model's files name <|endoftext|> (4087) only. Tokens that the tokenizer lacks are no ends.
BOOST_AUTO_TEST_CASE(what_ends_a_turn_of_the_template_ends_a_text) {
  const Tokenizer tokenizer = load_text_model(test::golden("nano")).tokenizer;
  Stops stops{4087};
  add_template_stops(stops, ChatTemplate::named("qwen3"), tokenizer);
  BOOST_TEST((stops == Stops{4087, 4089}));
  add_template_stops(stops, ChatTemplate::named("llama3.1"), tokenizer);
  BOOST_TEST((stops == Stops{4087, 4089}));
  BOOST_TEST(foreign_marks(ChatTemplate::named("qwen3"), tokenizer).empty());
  BOOST_TEST(foreign_marks(ChatTemplate::named("gemma3"), tokenizer).size() == 3U);
}

BOOST_AUTO_TEST_SUITE_END()
