// The name of a file is a hint only: what is in it decides how it is read, and what is no data is called by
// its name.
#include "tests/unit/datasets/support.hpp"

#include <zlib.h>

using namespace anemll;
using namespace anemll::test;
using std::string_literals::operator""s;

namespace {

std::string gzip(const std::string& text) {
  const TempDir folder;
  const auto path = folder / "x";
  gzFile file = ::gzopen(path.c_str(), "wb");
  BOOST_REQUIRE(::gzwrite(file, text.data(), static_cast<unsigned>(text.size())) ==
                static_cast<int>(text.size()));
  ::gzclose(file);
  return read_text(path);
}

std::vector<std::string> read(const TempDir& folder, const std::string& name, const std::string& bytes) {
  write(folder / name, bytes);
  return texts(read_all(folder / name, in_order()));
}

const std::string kTwo = "{\"text\": \"a\"}\n{\"text\": \"b\"}\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_content)

BOOST_AUTO_TEST_CASE(any_name_and_any_compression) {
  const TempDir folder;
  const std::vector<std::string> two = {"a", "b"};
  for (const char* name :
       {"d.jsonl", "d.json", "d.json.gz", "d.jsonl.zst", "d.csv", "d.parquet", "d", "d.data"}) {
    BOOST_TEST(read(folder, name, kTwo) == two, name);
    BOOST_TEST(read(folder, name, gzip(kTwo)) == two, name);
    BOOST_TEST(read(folder, name, "[{\"text\": \"a\"}, {\"text\": \"b\"}]") == two, name);
  }
  BOOST_TEST(read(folder, "d.csv", "id;text\n1;a\n2;b\n") == two);
  BOOST_TEST(read(folder, "d.csv", "id\ttext\n1\ta\n2\tb\n") == two);
  BOOST_TEST(read(folder, "d.tsv", "id,text\n1,a\n2,b\n") == two);
  BOOST_TEST(read(folder, "e.csv", "text\na\nb\n") == two);
}

// 58-pretty-jsonl
BOOST_AUTO_TEST_CASE(pretty_json_under_any_name) {
  const TempDir folder;
  const std::string pretty = "{\n  \"text\": \"a\",\n  \"n\": [1,\n 2]\n}\n{\n  \"text\": \"b\"\n}\n";
  for (const char* name : {"d.jsonl", "d.json", "d.ndjson"}) {
    BOOST_TEST(read(folder, name, pretty).size() == 2U, name);
    BOOST_TEST(read(folder, name, "[\n  {\n    \"text\": \"a\"\n  }\n]\n").size() == 1U, name);
    BOOST_TEST(read(folder, name, "{\"text\": \"a\",\n \"n\": 1}\n").size() == 1U, name);
  }
  // A line that was cut is a bad record of a file that is lines all the same.
  write(folder / "cut.jsonl", "{\"text\": \"x\",\n" + kTwo);
  DatasetOptions options = in_order();
  options.max_bad_records = 1;
  BOOST_TEST(read_all(folder / "cut.jsonl", options).size() == 2U);
}

BOOST_AUTO_TEST_CASE(arrays_at_any_depth) {
  const TempDir folder;
  const std::vector<std::string> two = {"a", "b"};
  for (const char* text :
       {"[[{\"text\": \"a\"}], [], [[{\"text\": \"b\"}]]]",
        "{\"version\": 1, \"data\": {\"rows\": [{\"text\": \"a\"}, {\"text\": \"b\"}], \"n\": 2}}",
        "{\"a\": {\"b\": {\"c\": [[{\"text\": \"a\"}], [{\"text\": \"b\"}]]}}, \"ids\": [1, 2]}",
        "{\"data\": [{\"text\": \"a\"}, {\"text\": \"b\"}], \"meta\": {\"authors\": [{\"name\": 1}]}}"})
    BOOST_TEST(read(folder, "d.json", text) == two, text);
  for (const char* text : {"[[{\"text\": \"a\"}]", "[[{\"text\": \"a\"}],]", "[[{\"text\": \"a\"} {}]]",
                           "{\"a\": {\"b\": [{\"text\": \"a\"}]", "[{\"text\": \"a\"}]]"})
    expect_data_error({"d.json"}, [&] { read(folder, "d.json", text); });
}

// 59i-lfs-pointer-data, 41-utf16le, and their siblings
BOOST_AUTO_TEST_CASE(what_is_no_data_is_called_by_its_name) {
  const TempDir folder;
  const struct {
    std::string name, bytes, what, hint;
  } cases[] = {
      {"train.parquet", "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n", "Git LFS",
       "git lfs pull"},
      {"d.jsonl", "\xff\xfe{\0\"\0t\0"s, "UTF-16", "iconv -f UTF-16 -t UTF-8"},
      {"d.json", "<!doctype html><title>404</title>", "a web page: the download failed", "/resolve/"},
      {"d.csv", "Entry not found", "does not give the file", "HF_TOKEN"},
      {"d.jsonl", kTwo + std::string(4096, '\0'), "zeros", "not written whole"},
      {"d.jsonl", "PK\3\4\x14\0"s, "a zip archive", "unzip"},
      {"d.jsonl.gz", gzip("version https://git-lfs.github.com/spec/v1\n"),
       "compressed, and in it is a pointer", "gzip -dc"},
      {"d.arrow", "GGUF\3\0\0\0"s, "a GGUF model", "where a model is asked for"},
      {"notes", "words without a form", "neither the extension nor the content", ".jsonl"}};
  for (const auto& one : cases)
    expect_data_error({(folder / one.name).string(), one.what, one.hint},
                      [&] { read(folder, one.name, one.bytes); });
}

BOOST_AUTO_TEST_CASE(a_compressed_archive_is_unpacked_by_tar) {
  const TempDir folder;
  std::string tar(1024, 'x');
  tar.replace(257, 5, "ustar");
  gzFile file = ::gzopen((folder / "a.tar.gz").c_str(), "wb");
  ::gzwrite(file, tar.data(), static_cast<unsigned>(tar.size()));
  ::gzclose(file);
  expect_data_error({"in it is a tar archive", "tar -xf"},
                    [&] { read_all(folder / "a.tar.gz", in_order()); });
}

BOOST_AUTO_TEST_CASE(columns_of_other_names) {
  const TempDir folder;
  write(folder / "d.csv", "question,note,answer\nWhat?,n,That.\n");
  DatasetOptions options = in_order("alpaca");
  expect_data_error({"it has question, note, answer", "--map FIELD=COLUMN"},
                    [&] { read_all(folder / "d.csv", options); });
  options.map = field_columns({"instruction=question", "output=answer"});
  const auto dataset = Dataset::open(folder / "d.csv", options);
  BOOST_TEST(flat(dataset->next().value()) == "user=What?|assistant=That.");
  BOOST_TEST(dataset->report().inventory.left_out_lines().size() == 1U);  // note
  // A column that stands for a field is not its own field too, and a field that has another column is not
  // read.
  write(folder / "e.jsonl", "{\"instruction\": \"x\", \"input\": \"i\", \"output\": \"o\", \"a\": \"A\"}\n");
  options.map = field_columns({"output=input", "instruction=a"});
  BOOST_TEST(flat(read_all(folder / "e.jsonl", options).at(0)) == "user=A|assistant=i");
  options.map = field_columns({"output=none"});
  expect_data_error({"(instruction, input, none)"}, [&] { read_all(folder / "e.jsonl", options); });
  options.map = field_columns({"answer=a"});
  expect_error(ExitCode::usage, {"--map answer=a", "no field 'answer'", "instruction, input, output"},
               [&] { read_all(folder / "e.jsonl", options); });
  write(folder / "f.jsonl", "{\"body\": \"b\"}\n");
  options = in_order();
  options.map = field_columns({"text=body"});
  BOOST_TEST(read_all(folder / "f.jsonl", options).at(0).text == "b");
  for (const std::vector<std::string>& bad :
       {std::vector<std::string>{"a"}, {"=a"}, {"a="}, {"a=b", "a=c"}, {"a=c", "b=c"}})
    expect_error(ExitCode::usage, {"--map " + bad.back()}, [&] { field_columns(bad); });
}

BOOST_AUTO_TEST_SUITE_END()
