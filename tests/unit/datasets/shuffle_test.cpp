// The order of documents: kept, shuffled whole, and shuffled through a buffer.
#include "tests/unit/datasets/support.hpp"

#include <algorithm>
#include <numeric>

using namespace anemll;
using namespace anemll::test;

namespace {

/// Numbers 0 .. n - 1 as records of two files; every third is skipped when asked.
std::filesystem::path numbers(const TempDir& folder, int n, bool with_skipped = false) {
  std::string lines[2];
  for (int i = 0; i < n; ++i)
    lines[i < n / 2 ? 0 : 1] +=
        with_skipped && i % 3 == 0 ? "{\"text\": 0}\n" : "{\"text\": \"" + std::to_string(i) + "\"}\n";
  write(folder / "a.jsonl", lines[0]);
  write(folder / "b.jsonl", lines[1]);
  return folder.path();
}

DatasetOptions shuffled(std::uint64_t seed) {
  DatasetOptions options;
  options.seed = seed;
  return options;
}
DatasetOptions streamed(std::int64_t buffer, std::uint64_t seed = 0) {
  DatasetOptions options = shuffled(seed);
  options.streaming = true;
  options.shuffle_buffer = buffer;
  return options;
}

std::vector<std::string> counted(int n) {
  std::vector<std::string> out;
  for (int i = 0; i < n; ++i) out.push_back(std::to_string(i));
  return out;
}
std::vector<std::string> sorted(std::vector<std::string> all) {
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return std::stoi(a) < std::stoi(b); });
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_shuffle)

BOOST_AUTO_TEST_CASE(whole) {
  const TempDir folder;
  const auto path = numbers(folder, 200);
  const auto first = texts(read_all(path, shuffled(1)));
  BOOST_TEST((first == texts(read_all(path, shuffled(1)))));
  BOOST_TEST((first != texts(read_all(path, shuffled(2)))));
  BOOST_TEST((first != counted(200)));
  BOOST_TEST((sorted(first) == counted(200)));
  BOOST_TEST((texts(read_all(path, in_order())) == counted(200)));
}

BOOST_AUTO_TEST_CASE(frozen) {
  // A cache that is resumed by a later version must meet the documents in the same order.
  const TempDir folder;
  const auto path = numbers(folder, 10);
  std::string whole;
  for (const auto& text : texts(read_all(path, shuffled(0)))) whole += text;
  BOOST_TEST(whole == "1926078453");
  std::string buffered;
  for (const auto& text : texts(read_all(path, streamed(4)))) buffered += text;
  BOOST_TEST(buffered == "2034165987");
}

BOOST_AUTO_TEST_CASE(skipped_records_do_not_move_the_others) {
  const TempDir with, without;
  const auto all = texts(read_all(numbers(without, 60), shuffled(3)));
  auto dataset = Dataset::open(numbers(with, 60, true), shuffled(3));
  const auto some = texts(drain(*dataset));
  std::vector<std::string> expected;
  for (const auto& text : all)
    if (std::stoi(text) % 3 != 0) expected.push_back(text);
  BOOST_TEST((some == expected));
  BOOST_TEST(dataset->records() == 60);
  BOOST_TEST(dataset->skipped() == 20);
  BOOST_TEST(dataset->files().size() == 2U);
}

BOOST_AUTO_TEST_CASE(through_a_buffer) {
  const TempDir folder;
  const auto path = numbers(folder, 300);
  BOOST_TEST((texts(read_all(path, streamed(0))) == counted(300)));
  BOOST_TEST((texts(read_all(path, streamed(1))) == counted(300)));
  DatasetOptions unshuffled = streamed(20);
  unshuffled.shuffle = false;
  BOOST_TEST((texts(read_all(path, unshuffled)) == counted(300)));
  const auto mixed = texts(read_all(path, streamed(20)));
  BOOST_TEST((mixed == texts(read_all(path, streamed(20)))));
  BOOST_TEST((mixed != texts(read_all(path, streamed(20, 1)))));
  BOOST_TEST((sorted(mixed) == counted(300)));
  // The n-th out is among the first n + 20 in.
  for (std::size_t i = 0; i < mixed.size(); ++i) BOOST_TEST(std::stoi(mixed[i]) < static_cast<int>(i) + 20);
  BOOST_TEST((mixed != counted(300)));
  BOOST_TEST((sorted(texts(read_all(path, streamed(100000)))) == counted(300)));
  expect_error(ExitCode::usage, {"--shuffle_buffer"}, [&] { read_all(path, streamed(-1)); });
}

BOOST_AUTO_TEST_CASE(streaming_reads_no_more_than_it_needs) {
  const TempDir folder;
  write(folder / "a.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\nbroken\n");
  auto dataset = Dataset::open(folder.path(), streamed(0));
  BOOST_TEST(dataset->next()->text == "a");
  BOOST_TEST(dataset->records() == 1);
  BOOST_TEST(dataset->next()->text == "b");
  expect_data_error({"a.jsonl:3"}, [&] { dataset->next(); });
  expect_data_error({"a.jsonl:3"}, [&] { (void)Dataset::open(folder.path(), in_order()); });
  write(folder / "a.jsonl", "\n");
  expect_data_error({"no record"}, [&] { (void)Dataset::open(folder.path(), streamed(0)); });
}

BOOST_AUTO_TEST_SUITE_END()
