// Records that cannot be read, records without a field, and tables of plain text.
#include "tests/unit/datasets/support.hpp"

#include <cstdlib>

using namespace anemll;
using namespace anemll::test;

namespace {

DatasetOptions tolerant(std::int64_t bad, const std::string& format = "plain") {
  DatasetOptions options = in_order(format);
  options.max_bad_records = bad;
  return options;
}

std::vector<std::string> csv(const std::string& content, const std::string& field = "text",
                             const std::string& name = "a.csv", std::int64_t bad = 0) {
  const TempDir folder;
  write(folder / name, content);
  DatasetOptions options = tolerant(bad);
  options.text_field = field;
  return texts(read_all(folder / name, options));
}

using Texts = std::vector<std::string>;

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_bad_records)

BOOST_AUTO_TEST_CASE(bad_records_are_passed_over_up_to_a_number) {
  const TempDir folder;
  const std::string good = "{\"text\": \"a\"}\n";
  write(folder / "lines.jsonl", good + "{\"text\": \"b\"\n" + good + "[1]\n{\"text\": \"\xff\"}\n" + good);
  write(folder / "array.json",
        "[{\"text\": \"a\"}, {\"text\": \"b\\x\"},\n{\"text\" 1}, {\"text\": \"a\"}, {\"text\": \"\xff\"}, "
        "{\"text\": \"a\"}]");
  for (const char* name : {"lines.jsonl", "array.json"}) {
    for (const bool streaming : {false, true}) {
      DatasetOptions options = tolerant(3);
      options.streaming = streaming;
      auto dataset = Dataset::open(folder / name, options);
      BOOST_TEST(texts(drain(*dataset)) == Texts({"a", "a", "a"}), boost::test_tools::per_element());
      BOOST_TEST(dataset->report().bad_records == 3);
      BOOST_REQUIRE_EQUAL(dataset->report().bad_examples.size(), 3U);
      BOOST_TEST(dataset->report().bad_examples[2].find("not UTF-8") != std::string::npos);
      BOOST_TEST(dataset->report().bad_examples[0].starts_with((folder / name).string() + ":"));
      BOOST_TEST(dataset->report().inventory.left_out_lines().at(0).find("3 bad records") !=
                 std::string::npos);
    }
    expect_data_error({name, "3 bad records", "--max-bad-records 2"},
                      [&] { read_all(folder / name, tolerant(2)); });
    expect_data_error({name, "pass over such records with --max-bad-records"},
                      [&] { read_all(folder / name, tolerant(0)); });
  }
  // What ends in the middle is no bad record: nothing tells what is lost.
  write(folder / "cut.json", "[{\"text\": \"a\"}, {\"text\": \"b");
  expect_data_error({"ends in the middle"}, [&] { read_all(folder / "cut.json", tolerant(9)); });
  write(folder / "all.jsonl", "x\ny\n");
  expect_data_error({"every one of the 2 records is bad"},
                    [&] { read_all(folder / "all.jsonl", tolerant(9)); });
}

BOOST_AUTO_TEST_CASE(records_of_a_wrong_shape_are_bad_records) {
  const TempDir folder;
  write(folder / "a.jsonl",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\", \"content\": "
        "\"a\"}]}\n"
        "{\"messages\": \"none\"}\n{\"messages\": [{\"role\": \"user\", \"content\": 7}]}\n{\"messages\": "
        "[\"x\", \"y\"]}\n");
  auto dataset = Dataset::open(folder / "a.jsonl", tolerant(3, "sharegpt"));
  BOOST_TEST(drain(*dataset).size() == 1U);
  BOOST_TEST(dataset->report().bad_records == 3);
  BOOST_TEST(dataset->report().bad_examples.at(1).find(
                 "a.jsonl:3: 'content' of turn 1 of 'messages' is a number") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_bad_record_moves_no_other_in_the_shuffle) {
  const TempDir folder;
  std::string good, bad;
  for (int i = 0; i < 20; ++i) {
    const std::string line = "{\"text\": \"" + std::to_string(i) + "\"}\n";
    good += i == 7 ? "{\"text\": 7}\n" : line;
    bad += i == 7 ? "{\"text\": \n" : line;
  }
  write(folder / "good.jsonl", good);
  write(folder / "bad.jsonl", bad);
  DatasetOptions options = tolerant(1);
  options.shuffle = true;
  BOOST_TEST(
      texts(read_all(folder / "bad.jsonl", options)) == texts(read_all(folder / "good.jsonl", options)),
      boost::test_tools::per_element());
}

// 57-first-record-lacks-field
BOOST_AUTO_TEST_CASE(the_first_record_is_not_the_measure_of_the_others) {
  const TempDir folder;
  write(folder / "a.jsonl",
        "{\"id\": 0, \"note\": \"first has no text\"}\n{\"id\": 0, \"text\": \"fox\"}\n{\"id\": 1, \"text\": "
        "\"fox\"}\n");
  write(folder / "a.json", "[{\"id\": 0}, {\"id\": 0, \"text\": \"fox\"}, {\"text\": \"fox\"}]");
  write(folder / "alpaca.jsonl", "{\"instruction\": \"q\"}\n{\"instruction\": \"q\", \"output\": \"a\"}\n");
  for (const bool streaming : {false, true}) {
    DatasetOptions options = in_order();
    options.streaming = streaming;
    for (const char* name : {"a.jsonl", "a.json"})
      BOOST_TEST(texts(read_all(folder / name, options)) == Texts({"fox", "fox"}),
                 boost::test_tools::per_element());
    options.format = RecordFormat::alpaca;
    const auto documents = read_all(folder / "alpaca.jsonl", options);
    BOOST_REQUIRE_EQUAL(documents.size(), 2U);
    BOOST_TEST(flat(documents[0]) == "user=q|assistant=");
    // Where no record has the fields nothing is handed out.
    write(folder / "none.jsonl",
          "{\"instruction\": \"q\", \"response\": \"a\"}\n{\"instruction\": \"q\", \"response\": \"a\"}\n");
    expect_data_error({"none.jsonl:1", "it has instruction, response", "--dataset_format dolly"},
                      [&] { (void)Dataset::open(folder / "none.jsonl", options)->next(); });
  }
}

// Quotes that are escaped by backslashes are the dialect of the file, not the fault of one record.
BOOST_AUTO_TEST_CASE(backslash_dialects_are_no_bad_records) {
  const std::string head = "\"id\",\"text\"\n\"1\",\"a\"\n";
  for (const std::string row : {"\"2\",\"She said \\\"hello, world\\\" and left.\"\n",  // text follows
                                "\"2\",\"a \\\", b\"\n",                                // one cell too many
                                "\"2\",\"5\\\" nails\"\n\"3\",\"c\"\n",                 // over two lines
                                "\"2\",\"all of \\\"\"\n"})                             // never closed
    for (const std::int64_t bad : {0, 9})
      expect_data_error({"a.csv:3", "escaped with a backslash", "RFC 4180 doubles them", "python3 -c",
                         "doublequote=False", "> a_doubled.csv"},
                        [&] { csv(head + row, "text", "a.csv", bad); });
  expect_data_error({"delimiter=\"\\t\""},
                    [&] { csv("id\ttext\n1\t\"a \\\"b\\\" c\"\n", "text", "a.tsv", 9); });
  // A backslash at the end of a cell is text by RFC 4180, and so is a bad row beside it.
  BOOST_TEST(csv("id,text\n1,\"C:\\\"\n2,\"D:\\\"\n") == Texts({"C:\\", "D:\\"}),
             boost::test_tools::per_element());
  BOOST_TEST(csv("id,text\n1,\"C:\\\"\n\"D:\\\",2,3\n4,d\n", "text", "a.csv", 1) == Texts({"C:\\", "d"}),
             boost::test_tools::per_element());
  expect_data_error({"text follows", "--max-bad-records"}, [&] { csv("id,text\n1,\"a\"b\n"); });
  // What is no value is no text. In quotes it is text.
  BOOST_TEST(csv("id,text\n1,\\N\n\\N,b\n2,\"\\N\"\n") == Texts({"b", "\\N"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_command_for_backslash_dialects_works) {
  const TempDir folder;
  write(folder / "dump.csv",
        "\"id\",\"text\"\n\"1\",\"She said \\\"hello, "
        "world\\\".\"\n\"2\",\\N\n\\N,\"C:\\\\temp\"\n\"3\",\"two\\\n"
        "lines\"\n");
  try {
    read_all(folder / "dump.csv", in_order());
    BOOST_ERROR("nothing was thrown");
  } catch (const Error& error) {
    const std::string hint = error.hint();
    const std::string command = hint.substr(hint.find("python3"));
    if (std::system("python3 -c 'import csv'") != 0) return;
    BOOST_REQUIRE(std::system(("cd '" + folder.path().string() + "' && " + command).c_str()) == 0);
  }
  BOOST_TEST(texts(read_all(folder / "dump_doubled.csv", in_order())) ==
                 Texts({"She said \"hello, world\".", "C:\\temp", "two\nlines"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_separator_line_of_excel) {
  const Texts two = {"a, b", "c"};
  for (const char* start : {"sep=;\r\n", "\xef\xbb\xbfsep=;\r\n", "SEP=;\n", "\"sep=;\"\n\n"}) {
    BOOST_TEST(csv(std::string(start) + "id;text\r\n1;a, b\r\n2;c\r\n") == two, start);
    BOOST_TEST(csv(std::string(start) + "id;text\n1;a, b\n2;c\n", "text", "a.tsv") == two, start);
  }
  BOOST_TEST(csv("sep=,\nid,text\n1,\"a, b\"\n2,c\n", "text", "a.tsv") == two);
  BOOST_TEST(csv("sep=\t\nid\ttext\n1\ta, b\n2\tc\n") == two);
  BOOST_TEST(csv("sep=|\ntext\na, b\nc\n") == two);
  expect_data_error({"a.csv:3", "3 cells"}, [] { csv("sep=;\nid;text\n1;2;3\n"); });
  expect_data_error({"there is no record"}, [] { csv("sep=;\n"); });
  // Other first lines are names of columns.
  BOOST_TEST(csv("sep=,text\n1,c\n") == Texts({"c"}));
  BOOST_TEST(csv("sep=;;text\n1;;c\n") == Texts({"c"}));
}

// 53-csv
BOOST_AUTO_TEST_CASE(tables) {
  const TempDir folder;
  write(folder / "train.csv",
        "instruction,input,output\n\"Say 0\",\"\",\"The fox. \"\n\"Say 1\",\"more\",\"The fox. \"\n");
  const auto documents = read_all(folder / "train.csv", in_order("alpaca"));
  BOOST_REQUIRE_EQUAL(documents.size(), 2U);
  BOOST_TEST(flat(documents[0]) == "user=Say 0|assistant=The fox.");
  BOOST_TEST(flat(documents[1]) == "user=Say 1\n\nmore|assistant=The fox.");
  BOOST_TEST(documents[1].where == (folder / "train.csv").string() + ":3");
  expect_data_error({"it has instruction, input, output"},
                    [&] { read_all(folder / "train.csv", in_order("dolly")); });
}

BOOST_AUTO_TEST_CASE(rules_of_tables) {
  const auto same = [](const Texts& a, const Texts& b) {
    BOOST_TEST(a == b, boost::test_tools::per_element());
  };
  same(csv("id,text\n1,a\n2,b"), {"a", "b"});
  same(csv("\xef\xbb\xbftext\r\na\r\n\r\nb\r\n"), {"a", "b"});
  same(csv("text,n\r\"a\rb\",1\rc,2\r"), {"a\rb", "c"});
  same(csv("text,n\n\"a,\n\"\"b\"\"\",1\n"), {"a,\n\"b\""});
  same(csv("\"te\"\"xt\",n\nx,1\n", "te\"xt"), {"x"});
  same(csv("text,n\na \"quoted\" word,1\n,2\n\"\",3\n"), {"a \"quoted\" word"});
  same(csv("n\ttext\n1\ta,b\n", "text", "a.tsv"), {"a,b"});
  // Lines are counted, line ends in quotes too; a bad row does not end the reading.
  const std::string odd = "text,n\n\"x\ny\",1\nshort\n\"z\"w,2\nlong,1,2\n\xff,1\nend,1\n";
  same(csv(odd, "text", "a.csv", 4), {"x\ny", "end"});
  expect_data_error({"a.csv:4", "a row of 1 cells, the first row names 2"}, [&] { csv(odd); });
  expect_data_error({"a.csv:5", "text follows a closing quote"}, [&] { csv(odd, "text", "a.csv", 1); });
  expect_data_error({"a.csv:6", "a row of 3 cells"}, [&] { csv(odd, "text", "a.csv", 2); });
  expect_data_error({"a.csv:7", "not UTF-8"}, [&] { csv(odd, "text", "a.csv", 3); });
  expect_data_error({"a.csv:2", "never closed"}, [] { csv("text\n\"a\nb\n", "text", "a.csv", 9); });
  expect_data_error({"two columns 'text'"}, [] { csv("text,text\na,b\n"); });
  for (const char* none : {"", "text\n", "\n\n"})
    expect_data_error({"there is no record"}, [&] { csv(none); });
  const std::string large(3 << 20, 'x');
  same(csv("text,n\n\"" + large + "\",1\nb,2\n"), {large, "b"});
}

BOOST_AUTO_TEST_SUITE_END()
