// Windows out of files, data sets and KD caches.
#include "src/eval/eval_text.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "tests/support/capture.hpp"
#include "tests/support/nano_cache.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

constexpr std::int64_t kVocabulary = 4096;

const TextModel& nano() {
  static const TextModel model = load_text_model(test::golden("nano"));
  return model;
}

std::string write(const test::TempDir& dir, const std::string& name, const std::string& text) {
  std::ofstream(dir / name) << text;
  return (dir / name).string();
}

EvalTextOptions options(std::int64_t context, std::int64_t chunks) {
  EvalTextOptions o;
  o.protocol.context = context;
  o.chunks = chunks;
  return o;
}

template <class Body>
std::string data_error(const Body& body) {
  try {
    body();
  } catch (const Error& e) {
    BOOST_TEST((e.code() == ExitCode::data));
    return e.what();
  }
  return {};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(eval_texts)

BOOST_AUTO_TEST_CASE(a_file_is_one_text) {
  const test::TempDir dir;
  std::string text;
  for (int i = 0; i < 40; ++i) text += "The number after " + std::to_string(i) + " is larger.\n";
  const std::string file = write(dir, "text.txt", text);
  const std::vector<std::int32_t> ids = nano().tokenizer.encode(text);
  EvalText all;
  add_text(all, file, nano().tokenizer, options(32, 0));
  BOOST_TEST(all.windows.size() == ids.size() / 32);
  BOOST_TEST(std::equal(all.windows[1].ids.begin(), all.windows[1].ids.end(), ids.begin() + 32));
  add_text(all, file, nano().tokenizer, options(32, 3));
  BOOST_TEST(all.windows.size() == ids.size() / 32 + 3);
  BOOST_TEST((all.source_of.front() == 0u && all.source_of.back() == 1u && all.sources.size() == 2u));
}

BOOST_AUTO_TEST_CASE(files_that_give_nothing_are_named) {
  const test::TempDir dir;
  EvalText all;
  const auto add = [&](const std::string& file) {
    return data_error([&] { add_text(all, file, nano().tokenizer, options(32, 0)); });
  };
  BOOST_TEST(has(add((dir / "absent.txt").string()), "absent.txt"));
  BOOST_TEST(has(add(write(dir, "short.txt", "a")), "short.txt"));
  BOOST_TEST(has(add(write(dir, "bytes.txt", "some text \xff\xfe")), "bytes.txt"));
}

BOOST_AUTO_TEST_CASE(documents_are_texts_of_their_own) {
  const test::TempDir dir;
  const std::string first = "The first document has some words in it, and then some more of them.";
  const std::string second = "Another one begins here, with nothing of the first before it.";
  const std::string file = write(
      dir, "set.jsonl", "{\"text\": \"" + first + "\"}\n{\"text\": \"a\"}\n{\"text\": \"" + second + "\"}\n");
  EvalText all;
  add_records(all, file, nano(), options(512, 0));
  BOOST_TEST_REQUIRE(all.windows.size() == 2u);  // the middle one is too short
  BOOST_TEST(nano().tokenizer.decode(all.windows[0].ids) == first);
  BOOST_TEST(nano().tokenizer.decode(all.windows[1].ids) == second);
  EvalText one;
  add_records(one, file, nano(), options(512, 1));
  BOOST_TEST(one.windows.size() == 1u);
  const std::string nothing = write(dir, "nothing.jsonl", "{\"text\": \"a\"}\n");
  BOOST_TEST(has(data_error([&] { add_records(all, nothing, nano(), options(512, 0)); }), "1 documents"));
}

BOOST_AUTO_TEST_CASE(several_data_sets_share_the_chunks) {
  const std::string mixture = strf("%s:2,%s=alpaca_chat:1", test::golden("datasets/c4_demo.jsonl").c_str(),
                                   test::golden("datasets/alpaca_40.json").c_str());
  EvalText all;
  add_records(all, mixture, nano(), options(512, 6));
  BOOST_TEST(all.sources.size() == 2u);
  BOOST_TEST(std::count(all.source_of.begin(), all.source_of.end(), 0u) == 4);
  BOOST_TEST(std::count(all.source_of.begin(), all.source_of.end(), 1u) == 2);
  BOOST_TEST(has(nano().tokenizer.decode(all.windows.back().ids), "<|im_start|>user"));
  BOOST_CHECK_THROW(add_records(all, mixture, nano(), options(512, 0)), Error);
}

BOOST_AUTO_TEST_CASE(conversations_go_through_the_template) {
  EvalText all;
  EvalTextOptions o = options(512, 2);
  o.format = RecordFormat::alpaca_chat;
  add_records(all, test::golden("datasets/alpaca_40.json").string(), nano(), o);
  BOOST_TEST_REQUIRE(all.windows.size() == 2u);
  const std::string text = nano().tokenizer.decode(all.windows[0].ids);
  BOOST_TEST(has(text, "<|im_start|>user"), text);
  BOOST_TEST(has(text, "<|im_start|>assistant"), text);
  BOOST_TEST(!has(text, "<think>"), text);
}

BOOST_AUTO_TEST_CASE(bad_records_are_passed_over_where_that_is_asked_for) {
  const test::TempDir dir;
  const std::string good = "{\"text\": \"A document of some words, long enough to be scored.\"}\n";
  const std::string file = write(dir, "set.jsonl", good + "{\"text\": \"cut\n" + good);
  EvalText all;
  EvalTextOptions o = options(512, 0);
  BOOST_TEST(has(data_error([&] { add_records(all, file, nano(), o); }), "--max-bad-records"));
  o.max_bad_records = 1;
  EvalText two;
  add_records(two, file, nano(), o);
  BOOST_TEST(two.windows.size() == 2u);
}

BOOST_AUTO_TEST_CASE(what_is_not_scored_is_told_by_one_rank) {
  const test::TempDir dir;
  const std::string file =
      write(dir, "set.jsonl", "{\"text\": \"A document of some words, long enough.\"}\n{\"text\": \"a\"}\n");
  for (const bool tells : {true, false}) {
    EvalTextOptions o = options(512, 0);
    o.tells = tells;
    EvalText all;
    test::Capture errors(2);
    add_records(all, file, nano(), o);
    const std::string told = errors.text();
    BOOST_TEST(has(told, "not scored: 1 documents") == tells, told);
  }
}

BOOST_AUTO_TEST_CASE(a_day_is_for_templates_that_have_one) {
  EvalText all;
  EvalTextOptions o = options(512, 1);
  o.format = RecordFormat::alpaca_chat;
  o.template_date = "26 Jul 2024";
  BOOST_CHECK_EXCEPTION(add_records(all, test::golden("datasets/alpaca_40.json").string(), nano(), o), Error,
                        [](const Error& e) { return has(e.what(), "has no line with a date"); });
}

BOOST_AUTO_TEST_CASE(rows_of_a_cache_count_where_they_are_not_masked) {
  const test::TempDir dir;
  constexpr std::size_t kKept = 10;  // of the first row
  test::write_changed_nano_cache(dir / "cache", [](int shard, const std::string& name, HostTensor& tensor) {
    if (shard != 0 || name != "attention_mask") return;
    const std::size_t size = size_of(tensor.dtype);
    const auto length = static_cast<std::size_t>(tensor.shape[1]);
    std::memset(tensor.mutable_bytes() + kKept * size, 0, (length - kKept) * size);
    // The second row teaches nothing.
    std::memset(tensor.mutable_bytes() + length * size, 0, length * size);
  });
  const auto comm = make_single_communicator();
  EvalText all;
  add_cache(all, (dir / "cache").string(), dir.path(), {kVocabulary}, 4, *comm);
  BOOST_TEST_REQUIRE(all.windows.size() == 3u);
  BOOST_TEST(all.windows[0].scored == 31);
  BOOST_TEST(std::count(all.windows[0].mask.begin(), all.windows[0].mask.end(), 1) ==
             static_cast<std::ptrdiff_t>(kKept));
  BOOST_TEST(all.windows[1].mask.empty());
  EvalText whole;
  add_cache(whole, (dir / "cache").string(), dir.path(), {kVocabulary}, 0, *comm);
  BOOST_TEST(whole.windows.size() == 63u);
}

BOOST_AUTO_TEST_CASE(models_must_be_able_to_run_over_the_text) {
  const std::vector<ScoreWindow> windows{{{1, 2, 300}, 0, 2, {}}};
  BOOST_CHECK_NO_THROW(require_fit(windows, 301, 3, "m"));
  BOOST_TEST(has(data_error([&] { require_fit(windows, 300, 3, "m"); }), "300"));
  BOOST_TEST(has(data_error([&] { require_fit(windows, 301, 2, "m"); }), "takes 2"));
}

BOOST_AUTO_TEST_SUITE_END()
