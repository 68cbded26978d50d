// Options of anemll_precompute that a run does not read are told, and no others.
#include "src/teacher/precompute_effects.hpp"
#include "tests/support/choice_checks.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

const std::string kLocal = "--teacher_model_name_or_path " + test::golden("nano").string() +
                           " --dataset_name " + test::golden("datasets/c4_demo.jsonl").string() +
                           " --output_dir out ";
const std::string kHub = "--teacher_model_name_or_path org/teacher --dataset_name org/data --output_dir out ";

/// The names of what is told of these words.
std::string told(const std::string& line) {
  std::vector<std::string> words = {"anemll_precompute"};
  for (std::size_t begin = 0; begin < line.size();) {
    const std::size_t stop = std::min(line.find(' ', begin), line.size());
    if (stop > begin) words.push_back(line.substr(begin, stop - begin));
    begin = stop + 1;
  }
  std::vector<const char*> arguments;
  arguments.reserve(words.size());
  for (const std::string& word : words) arguments.push_back(word.c_str());
  PrecomputeOptions options;
  OptionTable table = make_precompute_table(options);
  BOOST_REQUIRE(
      (table.parse(static_cast<int>(arguments.size()), arguments.data()) == OptionTable::Outcome::run));
  settle_precompute_options(options, table);
  std::string names;
  for (const UnreadOption& one : unread_precompute_options(options, table))
    names += (names.empty() ? "" : " ") + one.option;
  return names;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(teacher_effects)

BOOST_AUTO_TEST_CASE(each_option_without_effect_is_an_option) {
  PrecomputeOptions o;
  const std::vector<std::string> names = make_precompute_table(o).names();
  for (const auto& row : precompute_option_effects())
    BOOST_TEST((std::find(names.begin(), names.end(), row.option) != names.end()), row.option);
}

BOOST_AUTO_TEST_CASE(the_printed_options_of_an_inspection_read_back) {
  const test::ProgramTable<PrecomputeOptions> program{make_precompute_table, {"--dataset_name", "x"}};
  PrecomputeOptions options, read;
  OptionTable table = make_precompute_table(options), again = make_precompute_table(read);
  program.parse(table, {"--inspect"});
  const test::TempDir folder;
  write_file(folder / "printed.ini", table.resolved());
  program.parse(again, {"--config-file", (folder / "printed.ini").string()});
  BOOST_TEST(read.inspect);
  BOOST_TEST(!again.given("output_dir"));
}

BOOST_AUTO_TEST_CASE(every_choice_keeps_its_word) {
  const test::ProgramTable<PrecomputeOptions> program{make_precompute_table,
                                                      {"--dataset_name", "x", "--output_dir", "y"}};
  const std::set<std::string> checked = {
      check_choice(program, "dtype", &PrecomputeOptions::dtype),
      check_choice(program, "device", &PrecomputeOptions::device),
      check_choice(program, "dataset_format", [](const PrecomputeOptions& o) { return o.dataset.format; }),
      check_choice(program, "enable_thinking", &PrecomputeOptions::enable_thinking),
      check_choice(program, "format", &PrecomputeOptions::format),
      check_choice(program, "compat", &PrecomputeOptions::compat),
  };
  PrecomputeOptions options;
  const std::set<std::string> all = test::choices_in(make_precompute_table(options));
  BOOST_TEST(checked == all, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(told_where_nothing_reads_it) {
  const struct {
    std::string line, names;
  } cases[] = {
      {kLocal, ""},
      {kLocal + "--teacher_revision v1.1 --dataset_revision 2024-05", "teacher_revision dataset_revision"},
      {kHub + "--teacher_revision v1.1 --dataset_revision 2024-05", ""},
      {kLocal + "--hub-cache hub", "hub-cache"},
      {kLocal + "--cache_dir hub", "hub-cache"},
      {kHub + "--cache_dir hub", ""},
      {kLocal + "--hf_token x", "hf_token"},
      {kHub + "--hf_token x", ""},
      {kHub + "--hf_token x --local_files_only", "hf_token"},
      {kLocal + "--local_files_only", ""},  // what it asks for holds
      {kLocal + "--dataset_text_field body", ""},
      {kLocal + "--dataset_text_field output --dataset_format alpaca_chat", "dataset_text_field"},
      {kLocal + "--enable_thinking both --chat-template qwen3", "enable_thinking chat-template"},
      {kLocal + "--no-template", "no-template"},
      {kLocal + "--template-date x", "template-date"},
      {kLocal + "--dataset_format sharegpt --template-date x", ""},
      {kLocal + "--dataset_format sharegpt --enable_thinking none --template-date x", "template-date"},
      {kLocal + "--dataset_format sharegpt --no-template --template-date x", "template-date"},
      {kLocal + "--dataset_format sharegpt --enable_thinking both --chat-template qwen3", ""},
      {kLocal + "--dataset_format sharegpt --enable_thinking none --chat-template qwen3", "chat-template"},
      {kLocal + "--dataset_format sharegpt --enable_thinking both --no-template", "enable_thinking"},
      {kLocal + "--payload topk --train_temperature 1.5", "train_temperature"},
      {kLocal + "--format pt --train_temperature 1.5", "train_temperature"},
      {kLocal + "--payload topk,lse --train_temperature 1.5", ""},
      {kLocal + "--streaming --shuffle", "shuffle"},
      {kLocal + "--streaming --shuffle --shuffle_buffer 100", ""},
      {kLocal + "--streaming --no-shuffle --shuffle_buffer 100", "shuffle_buffer"},
      {kLocal + "--no-shuffle --holdout 0 --seed 3", "seed"},
      {kLocal + "--no-shuffle --holdout 0 --seed 3 --rand_neg 4", ""},
      {kLocal + "--no-shuffle --seed 3", ""},
  };
  for (const auto& one : cases) BOOST_TEST(told(one.line) == one.names, one.line);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
