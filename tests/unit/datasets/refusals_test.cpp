// Every refusal of the readers of data sets: tests/support/refusals.hpp.
#include "tests/support/refusals.hpp"

#include "src/datasets/mixture.hpp"
#include "tests/unit/datasets/support.hpp"

#include <functional>
#include <map>

#include <zlib.h>

using namespace anemll;
using namespace anemll::test;
namespace fs = std::filesystem;

namespace {

struct Input {
  std::string name;
  std::string bytes;
  std::string format = "plain";
};

std::function<void(const TempDir&)> reading(Input input,
                                            const std::function<void(DatasetOptions&)>& change = {}) {
  return [=](const TempDir& folder) {
    write(folder / input.name, input.bytes);
    DatasetOptions options = in_order(input.format);
    if (change) change(options);
    read_all(folder / input.name, options);
  };
}

/// A folder of these files, each with one good record or, for a card, its text.
std::function<void(const TempDir&)> folder_of(std::vector<std::pair<std::string, std::string>> files,
                                              const std::function<void(DatasetOptions&)>& change = {}) {
  return [=](const TempDir& folder) {
    for (const auto& [name, text] : files) write(folder / "set" / name, text);
    DatasetOptions options = in_order();
    if (change) change(options);
    read_all(folder / "set", options);
  };
}

std::function<void(const TempDir&)> card(const std::string& configs) {
  return folder_of(
      {{"a.jsonl", "{\"text\": \"a\"}\n"}, {"README.md", "---\nconfigs:" + configs + "\n---\n"}});
}

std::string turns(const std::string& list) {
  return "{\"conversations\": " + list + "}\n";
}

std::string packed(const std::string& text) {
  const TempDir folder;
  gzFile file = ::gzopen((folder / "x").c_str(), "wb");
  ::gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  ::gzclose(file);
  return read_text(folder / "x");
}

const std::string kSaved = "{\"_data_files\": [{\"filename\": \"a.arrow\"}]}";
const std::string kGood = "{\"text\": \"a\"}\n";

std::vector<Refusal> refusals() {
  const auto config = [](const char* name) { return [=](DatasetOptions& o) { o.config = name; }; };
  const auto split = [](const char* name) { return [=](DatasetOptions& o) { o.split = name; }; };
  const auto map = [](const char* text) { return [=](const TempDir&) { field_columns({"input=b", text}); }; };
  const auto mixture = [](const char* text) {
    return [=](const TempDir&) { parse_mixture(text, "--dataset_name"); };
  };
  std::vector<Refusal> all = {
      // JSON
      {"record", "'1'", reading({"d.json", "[{\"text\": \"a\"}, 1]"})},
      {"record", "'{'", reading({"d.json", "[{\"text\": \"a\"} {\"text\": \"b\"}]"})},
      {"record", "{", reading({"d.json", "[{\"text\": \"a\"}, {\"te"})},
      {"record", "'x'", reading({"d.json", "[{\"text\": \"a\"}] x"})},
      {"line", "'x'", reading({"d.jsonl", kGood + "x\n"})},
      {"line", "{\"text\": \"b\"} {}", reading({"d.jsonl", kGood + "{\"text\": \"b\"} {}\n"})},
      {"JSON", "{\"text\": tru", reading({"d.jsonl", kGood + "{\"text\": tru}\n"})},
      {"JSON", "nulx}", reading({"d.jsonl", kGood + "{\"text\": nulx}\n"})},
      {"text", "\\xFF", reading({"d.jsonl", kGood + "{\"text\": \"\xff\"}\n"})},
      // CSV
      {"columns", "'text'", reading({"d.csv", "text,text\na,b\n"})},
      {"row", "3 cells", reading({"d.csv", "id,text\n1,2,3\n"})},
      {"quote", "row", reading({"d.csv", "id,text\n1,\"2\n"})},
      {"quote", "\"a\"b", reading({"d.csv", "id,text\n1,\"a\"b\n"})},
      {"text", "\\xFF", reading({"d.csv", "id,text\n1,\xff\n"})},
      {"quotes", "backslash", reading({"d.csv", "id,text\n1,\"a \\\"b\\\"\"\n"})},
      // Text
      {"text", "a web page", reading({"d.txt", "<!doctype html><title>404</title>"})},
      {"text", "\\xFF", reading({"d.txt", "a\xff"})},
      {"text file", "alpaca", reading({"d.txt", "a", "alpaca"})},
      {"text", "empty", reading({"d.txt", " \n"})},
      // What is in files
      {"content", "file type", reading({"notes", "words"})},
      {"compressed", "a PDF document", reading({"d.jsonl.gz", packed("%PDF-1.7\n")})},
      {"gzip data", "too early", reading({"d.jsonl.gz", packed(kGood).substr(0, 14)})},
      {"gzip data", "byte", reading({"d.jsonl.gz", packed(kGood).substr(0, 10) + "\xff\xff\xff\xff"})},
      {"zstd data", "too early", reading({"d.jsonl.zst", ""})},
      {"zstd data", "byte", reading({"d.jsonl.zst", "\x28\xb5\x2f\xfd" + std::string(30, '\xff')})},
      {"bzip2 data", "too early", reading({"d.jsonl.bz2", ""})},
      {"bzip2 data", "byte", reading({"d.jsonl.bz2", "BZh9\x31\x41\x59\x26\x53\x59\xff\xff\xff\xff\xff\xff\xff\xff"})},
      {"xz data", "too early", reading({"d.jsonl.xz", ""})},
      {"xz data", "byte", reading({"d.jsonl.xz", std::string("\xfd" "7zXZ\0\xff\xff\xff\xff\xff\xff", 12)})},
      // Formats
      {"fields", "(instruction, input, output)", reading({"d.jsonl", kGood, "alpaca"})},
      {"record", "0 bytes", reading({"d.jsonl", ""})},
      {"'text'", "blank", reading({"d.jsonl", "{\"text\": \" \"}\n"})},
      {"records", "every one of the 1", reading({"d.jsonl", "x\n"}, [](DatasetOptions& o) { o.max_bad_records = 9; })},
      {"'input'", "a number (7)", reading({"d.jsonl", "{\"instruction\": \"a\", \"input\": 7, \"output\": \"b\"}\n", "alpaca"})},
      {"'history'", "a number (7)", reading({"d.jsonl", "{\"instruction\": \"a\", \"output\": \"b\", \"history\": 7}\n", "alpaca"})},
      {"'history'", "a number (7)", reading({"d.jsonl", "{\"instruction\": \"a\", \"output\": \"b\", \"history\": [7]}\n", "alpaca"})},
      {"'conversations'", "a number (7)", reading({"d.jsonl", turns("7"), "sharegpt"})},
      {"'conversations'", "a string, not a list of turns, in x", reading({"d.jsonl", turns("\"x\""), "sharegpt"})},
      {"text", "it has 0, 1", reading({"d.json", "{\"0\": {\"text\": \"a\"}, \"1\": {\"text\": \"b\"}}"})},
      {"'text'", "a list with a string", reading({"d.json", "{\"text\": [\"a\", \"b\"]}"})},
      {"file of a data set", "an office program", reading({"d.csv", "PK\3\4" + std::string(26, '\1') + "[Content_Types].xml"})},
      {"'conversations'", "a number (7)", reading({"d.jsonl", turns("[7]"), "sharegpt"})},
      {"'value' of turn 1", "a number (7)", reading({"d.jsonl", turns("[{\"from\": \"human\", \"value\": 7}]"), "sharegpt"})},
      {"'value' of turn 1", "a number (7)", reading({"d.jsonl", turns("[{\"from\": \"human\", \"value\": [7]}]"), "sharegpt"})},
      {"turn 1", "no JSON", reading({"d.jsonl", turns("[{\"from\": \"gpt\", \"tool_calls\": \"x\"}]"), "sharegpt"})},
      {"'tool_calls'", "lists", reading({"d.jsonl", turns("[{\"from\": \"gpt\", \"tool_calls\": [[1]]}]"), "sharegpt"})},
      {"'tool_calls'", "a number (7)", reading({"d.jsonl", turns("[{\"from\": \"gpt\", \"tool_calls\": [7]}]"), "sharegpt"})},
      {"'tool_calls'", "without a name", reading({"d.jsonl", turns("[{\"from\": \"gpt\", \"tool_calls\": [{\"a\": 1}]}]"), "sharegpt"})},
      {"'tools'", "tools, in x", reading({"d.jsonl", "{\"conversations\": [], \"tools\": \"x\"}\n", "sharegpt"})},
      {"'tools'", "a number (7)", reading({"d.jsonl", "{\"conversations\": [], \"tools\": 7}\n", "sharegpt"})},
      // --map
      {"map", "text", map("text")},
      {"'input'", "input=a", map("input=a")},
      {"'b'", "output=b", map("output=b")},
      {"'answer'", "answer=a", reading({"d.jsonl", kGood}, [](DatasetOptions& o) { o.map = {{"answer", "a"}}; })},
      {"shuffle_buffer", "-1", reading({"d.jsonl", kGood}, [](DatasetOptions& o) { o.shuffle_buffer = -1; })},
      // Mixtures
      {"data set without a name", "a:1,:2", mixture("a:1,:2")},
      {"share", "b:0", mixture("a:1,b:0")},
      {"share", "a:1,b", mixture("a:1,b")},
      {"a is", "named twice", mixture("a:1,a:2")},
      // Names
      {"name", "nothing", [](const TempDir& f) { read_all(f / "gone.jsonl", in_order()); }},
      {"pattern", "*.jsonl", [](const TempDir& f) { read_all(f / "*.jsonl", in_order()); }},
      {"link", "/gone", [](const TempDir& f) {
         fs::create_symlink("/gone", f / "d.jsonl");
         read_all(f / "d.jsonl", in_order());
       }},
      {"data file", "a.bin", folder_of({{"a.bin", ""}})},
      {"configuration", "'c'", folder_of({{"a.jsonl", kGood}}, config("c"))},
      {"configuration", "'c'", folder_of({{"x/c/a.jsonl", kGood}, {"y/c/a.jsonl", kGood}}, config("c"))},
      {"split", "'dev'", folder_of({{"train.jsonl", kGood}}, split("dev"))},
      {"split", "'train[:9]'", folder_of({{"train.jsonl", kGood}}, split("train[:9]"))},
      {"data sets", "a, b", folder_of({{"a/train.jsonl", kGood}, {"b/train.jsonl", kGood}})},
      // Folders that Python's datasets library saved
      {"state.json", "no JSON object", folder_of({{"a.arrow", kGood}, {"state.json", "{\"_data_files\": "}})},
      {"_data_files", "but is 3", folder_of({{"a.arrow", kGood}, {"state.json", "{\"_data_files\": 3}"}})},
      {"_data_files", "../a.arrow", folder_of({{"a.arrow", kGood}, {"state.json", "{\"_data_files\": [{\"filename\": \"../a.arrow\"}]}"}})},
      {"_indices_data_files", "chosen by another file", folder_of({{"a.arrow", kGood}, {"state.json", kSaved.substr(0, kSaved.size() - 1) + ", \"_indices_data_files\": [{\"filename\": \"i.arrow\"}]}"}})},
      {"state.json", "b.arrow", folder_of({{"b.arrow.txt", "x"}, {"c.arrow", kGood}, {"state.json", "{\"_data_files\": [{\"filename\": \"b.arrow\"}]}"}})},
      {"dataset_dict.json", "two data sets", folder_of({{"a.arrow", kGood}, {"state.json", kSaved}, {"dataset_dict.json", "{\"splits\": [\"train\"]}"}})},
      // Cards
      {"configurations", "a, b", card("\n- config_name: a\n- config_name: b")},
      {"configs", "no list, but 'x'", card(" x")},
      {"configs", "'a'", card("\n- config_name: a\n- config_name: a")},
      {"configs", "an entry", card("\n- x")},
      {"'config_name'", "no text", card("\n- config_name: [a]")},
      {"data_files", "https://x", card("\n- config_name: a\n  data_files: https://x/y")},
      {"data_files", "path", card("\n- config_name: a\n  data_files:\n  - split: train")},
      {"split", "'train'", card("\n- config_name: a\n  data_files:\n  - split: test\n    path: a.jsonl")},
      {"card", "'b*'", card("\n- config_name: a\n  data_files: b*")},
      {"configuration", "folder 'b'", card("\n- config_name: a\n  data_dir: b")},
      {"configuration", "'c'", folder_of({{"a.jsonl", kGood}, {"README.md", "---\nconfigs:\n- config_name: a\n---\n"}}, config("c"))},
      {"line", "indented", card("\n  - config_name: a\n - config_name: b")},
      {"line", "'key:'", card("\n- config_name: a\n  x")},
      {"line", "repeats", card("\n- config_name: a\n  config_name: b")},
      {"line", "anchor", card("\n- config_name: &a b")},
      {"line", "indented", card("\n- config_name: x\n   data_files: y")},
      {"line", "bracket", card("\n- config_name: [a] b")},
      {"line", "bracket", card("\n- config_name: [a")},
      {"line", "bracket", card("\n- config_name: [")},
      {"line", "quote", card("\n- config_name: ['a]")},
      {"line", "braces", card("\n- {a}")},
      {"line", "brackets", card("\n- ['a' b]")},
      {"line", "quote", card("\n- config_name: 'a' b")},
      {"line", "deeply", card(" " + std::string(200, '['))},
      {"line", "deeply", card("\n- a:" + [] {
         std::string out;
         for (int i = 0; i < 100; ++i) out.append("\n").append(static_cast<std::size_t>(2 * i + 4), ' ').append("a:");
         return out;
       }())}};
  return all;
}

/// Messages of the sources that no input of this test provokes.
const std::map<std::string, std::string> kOutOfReach = {
    {"zlib cannot start", "memory is short"},
    {"zstd cannot start", "memory is short"},
    {"bzip2 cannot start", "memory is short"},
    {"xz cannot start", "memory is short"},
    {"the xz data ask for more than 2 GiB of memory", "no packer makes such a header"},
    {"cannot open", "tests may run as root"},
    {"cannot read", "a disk that fails"},
    {"is a folder, not a file", "folders are listed, not opened"},
    {"a record is over ", "256 MiB"},
    {"the array '", "the file changes while it is read"},
    {"the object around the array '", "the file changes while it is read"},
    {"not good JSON: a value is neither null nor anything else",
     "newer versions of the library look themselves"},
    {"not good JSON: a value of no known type", "the library has no such"},
    {"this build reads no ", "parquet_unavailable_test"},
};

bool is_arrow(const std::string& name) {  // parquet_arrow_test has damaged files of the room's goldens
  return name.starts_with("arrow_") || name.starts_with("parquet_");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_refusals)

BOOST_AUTO_TEST_CASE(each_has_file_field_value_and_a_way_on) {
  check_every_message(check_refusals(refusals()), fs::path(ANEMLL_SOURCE_DIR) / "src/datasets", kOutOfReach,
                      [](const std::string& name) { return name.ends_with(".cpp") && !is_arrow(name); });
}

BOOST_AUTO_TEST_SUITE_END()
