// Several data sets as one: how they are named, and the order in which they take turns.
#include "src/datasets/mixture.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/datasets/pieces.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

void refused(const std::string& text, const std::string& part) {
  try {
    parse_mixture(text, "--dataset_name");
    BOOST_ERROR("taken: " << text);
  } catch (const Error& e) {
    BOOST_TEST(e.problem().find(part) != std::string::npos, e.problem());
    BOOST_TEST(e.where().find("--dataset_name") == 0U);
    BOOST_TEST(!e.hint().empty());
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_mixture)

BOOST_AUTO_TEST_CASE(one_name_is_one_part) {
  for (const char* name : {"wiki.txt", "org/data", "data/*.jsonl", "C:words"}) {
    const auto parts = parse_mixture(name, "--dataset_name");
    BOOST_REQUIRE(parts.size() == 1U);
    BOOST_TEST(parts[0].name == name);
    BOOST_TEST(parts[0].share == 1.0);
    BOOST_TEST(!parts[0].format.has_value());
  }
}

BOOST_AUTO_TEST_CASE(shares_and_formats_are_read) {
  const auto parts = parse_mixture("wiki.txt:3,chat.json=sharegpt:1", "--dataset_name");
  BOOST_REQUIRE(parts.size() == 2U);
  BOOST_TEST(parts[0].name == "wiki.txt");
  BOOST_TEST(parts[0].share == 0.75);
  BOOST_TEST(parts[1].name == "chat.json");
  BOOST_TEST(parts[1].share == 0.25);
  BOOST_TEST((parts[1].format == RecordFormat::sharegpt));
  BOOST_TEST(parse_mixture("a,b", "--dataset_name")[1].share == 0.5);
  BOOST_TEST(parse_mixture("a=b.txt", "--dataset_name")[0].name == "a=b.txt");  // b.txt is no format
}

BOOST_AUTO_TEST_CASE(a_path_with_a_comma_is_a_path) {
  const test::TempDir dir;
  const std::string path = (dir / "a,b:0.5").string();
  write_file(path, "text");
  const auto parts = parse_mixture(path, "--dataset_name");
  BOOST_REQUIRE(parts.size() == 1U);
  BOOST_TEST(parts[0].name == path);
}

BOOST_AUTO_TEST_CASE(what_is_no_mixture_is_refused) {
  refused("a,,b", "without a name");
  refused("a:0.5,b", "some have none");
  refused("a:0,b:1", "not above 0");
  refused("a:-1,b:1", "not above 0");
  refused("a:1,a:2", "named twice");
}

BOOST_AUTO_TEST_CASE(rows_are_shared_out_whole) {
  const auto parts = parse_mixture("a:0.7,b:0.3", "--dataset_name");
  BOOST_TEST((share_out(parts, 10) == std::vector<std::int64_t>{7, 3}));
  BOOST_TEST((share_out(parts, 2) == std::vector<std::int64_t>{1, 1}));
  BOOST_TEST((share_out(parts, 0) == std::vector<std::int64_t>{0, 0}));
}

BOOST_AUTO_TEST_CASE(a_corpus_in_one_file_is_many_documents) {
  constexpr std::size_t kCorpus = 64;  // so that a piece has at least 8 bytes
  Document document;
  for (int line = 0; line < 20; ++line) document.text += strf("line %02d\n", line);  // 8 bytes each
  document.source = 3;
  document.where = "corpus.txt";
  const std::vector<Document> pieces = pieces_of(document, kCorpus);
  BOOST_TEST(pieces.size() == 10U);  // a line end is looked for behind the 8 bytes
  std::string joined;
  for (const Document& piece : pieces) {
    BOOST_TEST(piece.text.back() == '\n');
    BOOST_TEST(piece.source == 3U);
    BOOST_TEST(piece.where == "corpus.txt");
    joined += piece.text;
  }
  BOOST_TEST(joined == document.text);
  document.messages.push_back({"user", "hello"});
  BOOST_TEST(pieces_of(document, kCorpus).size() == 1U);  // conversations stay whole

  const test::TempDir dir;
  write_file(dir / "corpus.txt", joined);
  DatasetOptions plain;
  const std::unique_ptr<Dataset> set = in_pieces(Dataset::open(dir / "corpus.txt", plain), kCorpus);
  std::string read;
  std::size_t count = 0;
  while (const std::optional<Document> piece = set->next()) {
    read += piece->text;
    ++count;
  }
  BOOST_TEST(count == 10U);
  BOOST_TEST(read + '\n' == joined);  // the reader takes white space off the ends of a file
}

BOOST_AUTO_TEST_CASE(documents_take_turns_by_bytes_and_the_rest_follows) {
  const test::TempDir dir;
  const auto write = [&](const char* name, const std::string& text, int count) {
    std::string lines;
    for (int i = 0; i < count; ++i) lines.append("{\"text\": \"").append(text).append("\"}\n");
    write_file(dir / name, lines);
  };
  write("a.jsonl", "aaaa", 12);  // of 4 bytes
  write("b.jsonl", "bb", 4);     // of 2
  DatasetOptions options;
  options.shuffle = false;
  const auto open = [&](const char* name) { return Dataset::open(dir / name, options); };
  std::vector<std::unique_ptr<Dataset>> sets;
  sets.push_back(open("a.jsonl"));
  sets.push_back(open("b.jsonl"));
  const auto mixture = mix(parse_mixture("a:0.5,b:0.5", "--dataset_name"), std::move(sets));
  std::string order;
  while (const auto document = mixture->next()) {
    order += document->text[0];
    BOOST_TEST(mixture->files()[document->source].filename().string()[0] == document->text[0]);
  }
  BOOST_TEST(order == "abbabbaaaaaaaaaa");
  BOOST_TEST(mixture->records() == 16);
  BOOST_TEST(mixture->report().why.find("a (0.5)") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
