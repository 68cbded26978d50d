// Parquet files: every codec and page kind in use, conversations, types of text, and damaged files.
#include "tests/unit/datasets/support.hpp"

using namespace anemll;
using namespace anemll::test;

namespace {

std::filesystem::path parquet(const std::string& name) {
  return golden("datasets/parquet/" + name + ".parquet");
}
DatasetOptions field(const std::string& name) {
  DatasetOptions options = in_order();
  options.text_field = name;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_parquet)

BOOST_AUTO_TEST_CASE(codecs_and_pages) {
  // The same records as JSON.
  const auto expected = read_all(golden("datasets/alpaca_40.json"), in_order("alpaca"));
  for (const auto& [name, rows] : std::vector<std::pair<std::string, std::size_t>>{
           {"none_dict_v1", 2}, {"snappy_plain_v2", 6}, {"zstd_dict_v2", 6}, {"gzip_plain_v1", 6}}) {
    const auto documents = read_all(parquet(name), in_order("alpaca"));
    BOOST_REQUIRE_EQUAL(documents.size(), rows);
    for (std::size_t i = 0; i < rows; ++i)
      BOOST_TEST(flat(documents[i]) == flat(expected[i]), name << " " << i);
    BOOST_TEST(documents[1].where == parquet(name).string() + ", row 2");
  }
}

BOOST_AUTO_TEST_CASE(conversations) {
  DatasetOptions reference = in_order("openhermes");
  reference.reference_rules = true;
  auto dataset = Dataset::open(parquet("conversations"), reference);
  const auto documents = drain(*dataset);
  BOOST_REQUIRE_EQUAL(documents.size(), 2U);
  BOOST_TEST(flat(documents[0]) == "system=s|user=q|assistant=a");
  BOOST_TEST(flat(documents[1]) == "user=q\xc3\xa9|assistant=b");
  BOOST_TEST(dataset->records() == 5);
  // A turn without a role is nobody's.
  BOOST_TEST(read_all(parquet("conversations"), in_order("openhermes")).size() == 1U);
  const auto large = read_all(parquet("messages_large"), in_order("sharegpt"));
  BOOST_REQUIRE_EQUAL(large.size(), 1U);
  BOOST_TEST(flat(large[0]) == "user=q|assistant=a");
}

// 48-parquet-struct-of-lists
BOOST_AUTO_TEST_CASE(a_struct_of_lists_is_a_list_of_turns) {
  for (const char* format : {"sharegpt", "openhermes"}) {
    const auto documents = read_all(golden("cases/48-parquet-struct-of-lists"), in_order(format));
    BOOST_REQUIRE(!documents.empty());
    for (const Document& one : documents)
      BOOST_TEST(flat(one) ==
                 "user=Hi there friend|assistant=The quick brown fox jumps over the lazy dog near the "
                 "river bank today. ");
  }
}

BOOST_AUTO_TEST_CASE(parts_of_contents_and_tools) {
  auto dataset = Dataset::open(parquet("parts_and_tools"), in_order("sharegpt"));
  const auto documents = drain(*dataset);
  BOOST_REQUIRE_EQUAL(documents.size(), 1U);
  BOOST_TEST(flat(documents[0]) == "user=Look here.|assistant=Yes.");
  BOOST_REQUIRE_EQUAL(documents[0].tools.size(), 1U);
  BOOST_TEST(
      documents[0].tools[0] ==
      R"({"name": "w", "parameters": {"b": true, "f": 0.10000000149011612, "i": 3, "n": 0.1, "x": null}})");
  const auto left_out = dataset->report().inventory.left_out_lines();
  BOOST_REQUIRE_EQUAL(left_out.size(), 1U);
  BOOST_TEST(left_out[0].starts_with("not used: 1 part (image)"), left_out[0]);
}

BOOST_AUTO_TEST_CASE(arrow_files) {
  DatasetOptions options = in_order("sharegpt");
  const auto train = read_all(golden("cases/arrow-folder"), options);
  BOOST_REQUIRE_EQUAL(train.size(), 5U);
  for (std::size_t i = 0; i < train.size(); ++i)
    BOOST_TEST(flat(train[i]) ==
               "user=q" + std::to_string(i) + "|assistant=a" + std::to_string(i) + " \xc3\xa9");
  BOOST_TEST(train[3].where ==
             golden("cases/arrow-folder/train/data-00001-of-00002.arrow").string() + ", row 1");
  options.split = "test";
  BOOST_TEST(flat(read_all(golden("cases/arrow-folder"), options).at(0)) == "user=q9|assistant=a9 \xc3\xa9");
  BOOST_TEST(read_all(golden("datasets/file_format.arrow"), in_order("sharegpt")).size() == 3U);
  BOOST_TEST(read_all(golden("cases/arrow-folder/test"), in_order("sharegpt")).size() == 1U);
  expect_data_error({"it has messages, id", "--dataset_format sharegpt"},
                    [] { read_all(golden("cases/arrow-folder/test"), in_order("alpaca")); });
}

BOOST_AUTO_TEST_CASE(list_views_and_maps) {
  const auto documents = read_all(golden("datasets/maps_and_views.arrow"), in_order("sharegpt"));
  BOOST_REQUIRE_EQUAL(documents.size(), 1U);
  BOOST_TEST(flat(documents[0]) == "user=Weather in Rome?|assistant=|assistant=21 degrees.");
  BOOST_REQUIRE_EQUAL(documents[0].messages[1].tool_calls.size(), 1U);
  BOOST_TEST(documents[0].messages[1].tool_calls[0].arguments == R"({"city": "Rome", "unit": "C"})");
}

BOOST_AUTO_TEST_CASE(damaged_arrow_files) {
  const TempDir folder;
  const auto path = folder / "a.arrow";
  for (const char* name :
       {"cases/arrow-folder/train/data-00000-of-00002.arrow", "datasets/file_format.arrow"}) {
    const std::string whole = read_text(golden(name));
    for (std::size_t n = 0; n < whole.size() / 2; n += 101) {
      write(path, whole.substr(0, n));
      expect_data_error({path.string()}, [&] { read_all(path, in_order("sharegpt")); });
    }
    // A flipped byte gives an error or other text, never anything else.
    for (std::size_t at = 0; at < whole.size(); at += 23) {
      std::string bad = whole;
      bad[at] = static_cast<char>(bad[at] ^ 0x41);
      write(path, bad);
      try {
        read_all(path, in_order("sharegpt"));
      } catch (const Error& error) {
        BOOST_TEST(static_cast<int>(error.code()) == static_cast<int>(ExitCode::data));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(types_of_text) {
  for (const char* name : {"text", "large"}) {
    auto dataset = Dataset::open(parquet("text_types"), field(name));
    const auto read = texts(drain(*dataset));
    BOOST_REQUIRE_EQUAL(read.size(), 11U);
    BOOST_TEST(read[0] == "alpha");
    BOOST_TEST(read[1] == "beta");
    BOOST_TEST(read[10] == "gamma");
    BOOST_TEST(dataset->records() == 21);
  }
  // Bytes without the annotation of a string, as older writers leave them.
  BOOST_TEST(texts(read_all(parquet("text_types"), field("binary"))).at(20) == "x");
  // What is not text is skipped by the plain format, as in JSON.
  for (const auto& [name, type] : std::vector<std::pair<std::string, std::string>>{
           {"number", "of the type int64"}, {"list", "of the type list<element: string>"}}) {
    expect_data_error({"skips every one of the 21", "'" + name + "' is " + type},
                      [&] { read_all(parquet("text_types"), field(name)); });
  }
  expect_data_error({"row 21", "'bad'", "not UTF-8"}, [&] { read_all(parquet("text_types"), field("bad")); });
}

BOOST_AUTO_TEST_CASE(fields_that_are_not_there) {
  expect_data_error({"conversations.parquet, row 1", "it has id, conversations", "openhermes, sharegpt"},
                    [] { read_all(parquet("conversations"), in_order("alpaca")); });
  expect_data_error({"text_types.parquet", "it has text, large, binary"},
                    [] { read_all(parquet("text_types"), in_order("sharegpt")); });
  expect_data_error({"twice.parquet", "two columns", "'text'"},
                    [] { read_all(parquet("twice"), in_order()); });
  expect_data_error({"there is no record"}, [] { read_all(parquet("empty"), in_order()); });
}

BOOST_AUTO_TEST_CASE(streamed) {
  DatasetOptions options = in_order("alpaca");
  options.streaming = true;
  auto dataset = Dataset::open(parquet("zstd_dict_v2"), options);
  BOOST_TEST(dataset->next()->where == parquet("zstd_dict_v2").string() + ", row 1");
  BOOST_TEST(drain(*dataset).size() == 5U);
}

BOOST_AUTO_TEST_CASE(damaged) {
  const TempDir folder;
  const auto path = folder / "a.parquet";
  const std::string whole = read_text(parquet("zstd_dict_v2"));
  for (std::size_t n = 0; n < whole.size(); n += 401) {
    write(path, whole.substr(0, n));
    expect_data_error({path.string(), "not a good Parquet file"},
                      [&] { read_all(path, in_order("alpaca")); });
  }
  write(path, "PAR1 this is none PAR1");
  expect_data_error({path.string()}, [&] { read_all(path, in_order("alpaca")); });
  // A flipped byte gives an error or other text, never anything else.
  for (const char* name : {"zstd_dict_v2", "conversations", "text_types"}) {
    const std::string good = read_text(parquet(name));
    const std::string format = std::string(name) == "conversations" ? "openhermes" : "alpaca";
    std::size_t errors = 0;
    for (std::size_t at = 0; at < good.size(); at += 53) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 0x41);
      write(path, bad);
      try {
        read_all(path, std::string(name) == "text_types" ? field("text") : in_order(format));
      } catch (const Error& error) {
        BOOST_TEST(static_cast<int>(error.code()) == static_cast<int>(ExitCode::data));
        BOOST_TEST(!error.hint().empty());
        ++errors;
      }
    }
    BOOST_TEST(errors > 0U);
  }
}

BOOST_AUTO_TEST_SUITE_END()
