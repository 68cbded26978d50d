// What a path means: files, folders, patterns, splits and configurations.
#include "src/datasets/dataset_files.hpp"
#include "src/datasets/glob.hpp"
#include "tests/unit/datasets/support.hpp"

using namespace anemll;
using namespace anemll::test;

namespace {

/// A folder with these files, each one record that is its name.
struct Tree {
  explicit Tree(const std::vector<std::string>& names) {
    for (const std::string& name : names)
      write(folder / name, name.find(".json") != std::string::npos ? "{\"text\": \"x\"}" : "x");
  }
  /// What a path in it leads to, relative to it and joined with spaces.
  std::string files(const std::string& path = "", DatasetOptions options = in_order()) const {
    std::string out;
    for (const auto& file : datasets::dataset_files(path.empty() ? folder.path() : folder / path, options)) {
      if (!out.empty()) out += ' ';
      out += file.lexically_relative(folder.path()).string();
    }
    return out;
  }
  TempDir folder;
};

DatasetOptions with(const std::string& split, std::optional<std::string> config = {}) {
  DatasetOptions options = in_order();
  options.split = split;
  options.config = std::move(config);
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_files)

BOOST_AUTO_TEST_CASE(folders) {
  const Tree tree({"b.jsonl", "a.json", "sub/c.jsonl.gz", "sub/.hidden.jsonl", ".git/d.json", "README.md",
                   "notes.txt", "dataset_infos.json", "picture.png"});
  BOOST_TEST(tree.files() == "a.json b.jsonl sub/c.jsonl.gz");
  const Tree prose({"two/b.md", "one.txt", "three.txt.zst", "x.csv"});
  BOOST_TEST(prose.files() == "one.txt three.txt.zst two/b.md");
  const Tree mixed({"a.parquet", "a.jsonl"});
  expect_data_error({"both .parquet and JSON", "a.jsonl, a.parquet"}, [&] { (void)mixed.files(); });
}

BOOST_AUTO_TEST_CASE(linked_folders_are_followed_once) {
  const Tree tree({"real/a.json"});
  std::filesystem::create_directory_symlink(tree.folder / "real", tree.folder / "also");
  std::filesystem::create_directory_symlink(tree.folder.path(), tree.folder / "real" / "loop");
  const std::string found = tree.files();
  BOOST_TEST((found == "real/a.json" || found == "also/a.json"), found);
  std::filesystem::create_symlink(tree.folder / "real" / "a.json", tree.folder / "b.json");
  BOOST_TEST(tree.files("b.json") == "b.json");
}

BOOST_AUTO_TEST_CASE(splits) {
  const Tree hub({"data/train-00000-of-00002-a09b74b3ef9c3b56.parquet", "data/train-00001-of-00002-b.parquet",
                  "data/test-00000-of-00001.parquet", "README.md", "data/constrained.parquet"});
  BOOST_TEST(hub.files() ==
             "data/train-00000-of-00002-a09b74b3ef9c3b56.parquet data/train-00001-of-00002-b.parquet");
  BOOST_TEST(hub.files("", with("test")) == "data/test-00000-of-00001.parquet");
  expect_data_error({"split 'validation'", "data/train-0000"},
                    [&] { (void)hub.files("", with("validation")); });
  expect_error(ExitCode::usage, {"train[:10%]"}, [&] { (void)hub.files("", with("train[:10%]")); });
  const Tree none({"a.json", "restrained.json"});
  BOOST_TEST(none.files() == "a.json restrained.json");
  const Tree folders({"train/a.json", "test/a.json"});
  BOOST_TEST(folders.files() == "train/a.json");
  // One file is what was asked for, whatever its name.
  BOOST_TEST(hub.files("data/test-00000-of-00001.parquet") == "data/test-00000-of-00001.parquet");
  for (const char* name :
       {"train", "train.json", "my_train.json", "train0.json", "a/train/0.json", "strain/train.x"})
    BOOST_TEST(datasets::has_word(name, "train"), name);
  for (const char* name : {"trainer.json", "strain.json", "tra/in", "", "trai"})
    BOOST_TEST(!datasets::has_word(name, "train"), name);
}

BOOST_AUTO_TEST_CASE(configurations) {
  const Tree tree(
      {"en/train.jsonl", "en/test.jsonl", "de/train.jsonl", "en-small.train.jsonl", "english.jsonl"});
  BOOST_TEST(tree.files("", with("train", "en")) == "en/train.jsonl en-small.train.jsonl");
  BOOST_TEST(tree.files("", with("test", "en")) == "en/test.jsonl");
  BOOST_TEST(tree.files("", with("train", "english")) == "english.jsonl");
  expect_data_error({"configuration 'fr'", "de/train.jsonl"},
                    [&] { (void)tree.files("", with("train", "fr")); });
}

BOOST_AUTO_TEST_CASE(patterns) {
  const Tree tree(
      {"a1.json", "a2.json", "b.jsonl", "x/a3.json", "x/y/a4.json", "x/y/note.csv", ".h/a5.json"});
  BOOST_TEST(tree.files("*.json") == "a1.json a2.json");
  BOOST_TEST(tree.files("a?.json*") == "a1.json a2.json");
  BOOST_TEST(tree.files("a[2-9].json") == "a2.json");
  BOOST_TEST(tree.files("a[!2].json") == "a1.json");
  BOOST_TEST(tree.files("**/a*.json") == "a1.json a2.json x/a3.json x/y/a4.json");
  BOOST_TEST(tree.files("x/**") == "x/a3.json x/y/a4.json");
  BOOST_TEST(tree.files("*/*/a4.json") == "x/y/a4.json");
  BOOST_TEST(tree.files("**/y/**/a4.json") == "x/y/a4.json");
  expect_data_error({"no file matches"}, [&] { (void)tree.files("*.nothing"); });
  expect_data_error({"note.csv", ".parquet"}, [&] { (void)tree.files("x/y/*.csv"); });
  // A file whose name looks like a pattern is itself.
  write(tree.folder / "a[1].json", "{\"text\": \"x\"}");
  BOOST_TEST(tree.files("a[1].json") == "a[1].json");
}

BOOST_AUTO_TEST_CASE(names_against_patterns) {
  using datasets::matches;
  for (const auto& [pattern, name] : std::vector<std::pair<std::string, std::string>>{{"*", "a"},
                                                                                      {"a*b*c", "aXbYbZc"},
                                                                                      {"[]]", "]"},
                                                                                      {"[a-]", "-"},
                                                                                      {"[^a]", "b"},
                                                                                      {"[", "["},
                                                                                      {"a[b", "a[b"},
                                                                                      {".*", ".x"},
                                                                                      {"**", "a"},
                                                                                      {"?", "a"},
                                                                                      {"a*", "a"}})
    BOOST_TEST(matches(pattern, name), pattern << " " << name);
  for (const auto& [pattern, name] : std::vector<std::pair<std::string, std::string>>{
           {"*", ".a"}, {"?", ""}, {"a", "ab"}, {"a*b", "abc"}, {"[a-c]", "d"}, {"[!a]", "a"}, {"", "a"}})
    BOOST_TEST(!matches(pattern, name), pattern << " " << name);
  // Quadratic at the worst.
  BOOST_TEST(!matches("*a*a*a*a*a*a*a*a*a*b", std::string(2000, 'a')));
}

BOOST_AUTO_TEST_CASE(nothing_to_read) {
  const Tree tree({"x.csv"});
  expect_data_error({"has no data file", ".jsonl", ".parquet"}, [&] { (void)tree.files(); });
  expect_data_error({"x.csv", "no file type", ".jsonl"}, [&] { (void)tree.files("x.csv"); });
  expect_data_error({"nothing of this name"}, [&] { (void)tree.files("missing.json"); });
  expect_data_error({"no file type"}, [&] {
    write(tree.folder / "a.parquet.gz", "x");
    (void)tree.files("a.parquet.gz");
  });
}

BOOST_AUTO_TEST_SUITE_END()
