// Rows to calibrate on: shares, sources, documents that are held out.
#include "src/calib/calibration_text.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <ATen/ops/equal.h>
#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

constexpr std::int64_t kVocabulary = 4096;  // of nano

const TextModel& nano() {
  static const TextModel text = load_text_model(test::golden("nano"));
  return text;
}

CalibrationText read(const CalibrationTextOptions& options) {
  const auto comm = make_single_communicator();
  return read_calibration_text(options, &nano(), {kVocabulary}, *comm);
}

/// Documents with words that no other has, one a line.
void write_documents(const std::filesystem::path& path, const std::string& letter, int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) {
    lines += "{\"text\": \"";
    for (int w = 0; w < 30; ++w) lines.append(letter).append(std::to_string(i)).append(" ");
    lines += "\"}\n";
  }
  write_file(path, lines);
}

std::string text_of(const TextRows& rows, std::int64_t row) {
  const at::Tensor ids = rows.ids[row].to(at::kInt);
  return nano().tokenizer.decode({ids.const_data_ptr<std::int32_t>(), static_cast<std::size_t>(ids.numel())});
}

struct Folder {
  test::TempDir dir;
  CalibrationTextOptions options;
  Folder() {
    write_documents(dir / "a.jsonl", "a", 60);
    write_documents(dir / "b.jsonl", "b", 60);
    options.length = 32;
    options.rows = 20;
  }
  void mix(const std::string& share_a, const std::string& share_b) {
    options.dataset.name = (dir / "a.jsonl").string() + share_a + "," + (dir / "b.jsonl").string() + share_b;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(calib_text)

BOOST_FIXTURE_TEST_CASE(each_source_gives_its_share_of_the_rows, Folder) {
  mix(":0.7", ":0.3");
  const CalibrationText text = read(options);
  BOOST_TEST(text.rows.count() == 20);
  BOOST_TEST(text.sources.at(0).rows == 14);
  BOOST_TEST(text.sources.at(1).rows == 6);
  BOOST_TEST(text.sources.at(1).tokens == 6 * 32);
  for (std::int64_t row = 0; row < 20; ++row) {
    const bool second = text.rows.source_of[static_cast<std::size_t>(row)] == 1;
    BOOST_TEST((text_of(text.rows, row).find(second ? "b" : "a") != std::string::npos));
    BOOST_TEST((text_of(text.rows, row).find(second ? "a" : "b") == std::string::npos));
  }
  // Sources take turns: each half has its share too.
  const auto half = text.rows.source_of.begin() + 10;
  BOOST_TEST(std::count(text.rows.source_of.begin(), half, 1) == 3);
}

BOOST_FIXTURE_TEST_CASE(the_same_options_give_the_same_rows, Folder) {
  mix("", "");
  const CalibrationText one = read(options), two = read(options);
  BOOST_TEST(at::equal(one.rows.ids, two.rows.ids));
  BOOST_TEST(one.sha256 == two.sha256);
  options.seed = 1;
  BOOST_TEST(read(options).sha256 != one.sha256);
}

BOOST_FIXTURE_TEST_CASE(all_ranks_get_what_rank_0_reads, Folder) {
  mix("", "");
  options.holdout_rows = 4;
  const CalibrationText alone = read(options);
  run_local_ranks(3, [&](Communicator& comm) {
    const TextModel* text = comm.is_root() ? &nano() : nullptr;
    const CalibrationText mine = read_calibration_text(options, text, {kVocabulary}, comm);
    if (!at::equal(mine.rows.ids, alone.rows.ids) || !at::equal(mine.holdout.ids, alone.holdout.ids) ||
        mine.sha256 != alone.sha256 || mine.sources.at(1).rows != alone.sources.at(1).rows)
      throw std::runtime_error("other rows");
  });
}

BOOST_FIXTURE_TEST_CASE(no_document_is_in_both_parts, Folder) {
  mix("", "");
  options.holdout_rows = 10;
  const CalibrationText text = read(options);
  BOOST_TEST(text.holdout.count() > 0);
  const auto words = [](const TextRows& rows) {
    std::set<std::string> all;
    for (std::int64_t row = 0; row < rows.count(); ++row) {
      const std::string line = text_of(rows, row);
      // The first and the last word of a row may be cut.
      std::vector<std::size_t> spaces;
      for (std::size_t i = 0; i < line.size(); ++i)
        if (line[i] == ' ') spaces.push_back(i);
      for (std::size_t i = 1; i < spaces.size(); ++i)
        all.insert(line.substr(spaces[i - 1], spaces[i] - spaces[i - 1]));
    }
    return all;
  };
  const std::set<std::string> training = words(text.rows), held = words(text.holdout);
  BOOST_TEST(!held.empty());
  for (const std::string& word : held) {
    if (word.find('<') == std::string::npos) BOOST_TEST(training.count(word) == 0U, word);
  }
}

BOOST_FIXTURE_TEST_CASE(a_corpus_in_one_file_can_be_held_out_of_too, Folder) {
  std::string lines;
  for (int i = 0; i < 9000; ++i) lines.append("line ").append(std::to_string(i)).append(" of a corpus\n");
  write_file(dir / "corpus.txt", lines);
  options.dataset.name = (dir / "corpus.txt").string();
  options.holdout_rows = 5;
  const CalibrationText text = read(options);
  BOOST_TEST(text.rows.count() == 20);
  BOOST_TEST(text.holdout.count() == 5);
  BOOST_TEST(text.sources.at(0).documents > 10);
}

BOOST_AUTO_TEST_CASE(chat_alone_is_half_plain) {
  CalibrationTextOptions options;
  options.dataset.name = test::golden("datasets/alpaca_40.json").string();
  options.dataset.format = RecordFormat::alpaca_chat;
  options.length = 64;
  options.rows = 200;  // all of it
  const CalibrationText text = read(options);
  const at::Tensor ids = text.rows.ids.flatten().to(at::kInt);
  const std::string all =
      nano().tokenizer.decode({ids.const_data_ptr<std::int32_t>(), static_cast<std::size_t>(ids.numel())});
  std::int64_t turns = 0;
  for (std::size_t at = all.find("<|im_start|>assistant"); at != std::string::npos;
       at = all.find("<|im_start|>assistant", at + 1))
    ++turns;
  BOOST_TEST(turns >= text.sources.at(0).documents / 2 - 1);  // the last row is cut
  BOOST_TEST(turns <= text.sources.at(0).documents / 2 + 1);
}

BOOST_FIXTURE_TEST_CASE(too_little_text_is_an_error_and_less_is_told, Folder) {
  write_file(dir / "short.txt", "a few words");
  options.dataset.name = (dir / "short.txt").string();
  BOOST_CHECK_THROW(read(options), Error);
  options.dataset.name = (dir / "a.jsonl").string();
  options.rows = 100000;
  const CalibrationText text = read(options);
  BOOST_TEST(text.rows.count() < 100000);
  BOOST_TEST(text.rows.count() == text.sources.at(0).rows);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
