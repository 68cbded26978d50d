// What a path means: files, folders, patterns, splits and configurations.
#include "anemll/datasets/data_files.hpp"
#include "src/datasets/internal/dataset_files.hpp"
#include "src/datasets/internal/glob.hpp"
#include "tests/support/capture.hpp"
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
  std::string files(const std::string& path = "", const DatasetOptions& options = in_order()) const {
    std::string out;
    const auto found = datasets::dataset_files(path.empty() ? folder.path() : folder / path, options);
    for (const auto& file : found.files) {
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
  const Tree tree({"b.jsonl", "a.json", "part-1/c.jsonl.gz", "part-1/.hidden.jsonl", ".git/d.json",
                   "README.md", "notes.txt", "dataset_infos.json", "dataset_info.json", "state.json",
                   "picture.png", "__pycache__/e.json", "Z.JSONL.GZ"});
  BOOST_TEST(tree.files() == "Z.JSONL.GZ a.json b.jsonl part-1/c.jsonl.gz");
  const Tree prose({"shard_2/b.md", "one.txt", "three.txt.zst", "x.png", "LICENSE.txt", "readme.md"});
  BOOST_TEST(prose.files() == "one.txt shard_2/b.md three.txt.zst");
}

BOOST_AUTO_TEST_CASE(one_kind_of_files) {
  const Tree mixed({"data/b.parquet", "data/a.parquet", "all.jsonl", "notes.md"});
  BOOST_TEST(mixed.files() == "data/a.parquet data/b.parquet");
  const auto left_out = datasets::dataset_files(mixed.folder.path(), in_order()).inventory.left_out_lines();
  BOOST_REQUIRE_EQUAL(left_out.size(), 1U);
  BOOST_TEST(left_out[0].starts_with("not used: 2 data files (all.jsonl, notes.md): it is of another type"),
             left_out[0]);
  BOOST_TEST(Tree({"a.csv", "b.tsv.xz", "c.txt"}).files() == "a.csv b.tsv.xz");
  BOOST_TEST(
      Tree({"cache-1f0.arrow", "data-00000-of-00001.arrow", "state.json", "dataset_info.json"}).files() ==
      "data-00000-of-00001.arrow");
}

BOOST_AUTO_TEST_CASE(links_that_lead_nowhere) {
  const Tree tree({"train-0.jsonl", "test-0.jsonl"});
  std::filesystem::create_symlink("../blobs/gone", tree.folder / "train-1.jsonl");
  const std::string link = (tree.folder / "train-1.jsonl").string();
  expect_data_error({link, "../blobs/gone"}, [&] { (void)tree.files(); });
  expect_data_error({link}, [&] { (void)tree.files("*.jsonl"); });
  expect_data_error({link}, [&] { (void)tree.files("**"); });
  expect_data_error({link}, [&] { (void)tree.files("train-1.jsonl"); });
  BOOST_TEST(tree.files("", with("test")) == "test-0.jsonl");
  std::filesystem::remove(link);
  std::filesystem::create_symlink(link, link);  // round and round
  expect_data_error({link}, [&] { (void)tree.files(); });
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
  expect_data_error({"split 'validation'", "data/train-0000", "--dataset_split train or test"},
                    [&] { (void)hub.files("", with("validation")); });
  for (const char* path : {"", "data/constrained.parquet"})
    expect_error(ExitCode::usage, {"train[:10%]"}, [&] { (void)hub.files(path, with("train[:10%]")); });
  const Tree none({"a.json", "restrained.json"});
  BOOST_TEST(none.files() == "a.json restrained.json");
  expect_data_error({"split 'test'", "a.json, restrained.json"}, [&] { (void)none.files("", with("test")); });
  // One file is what was asked for, whatever its name.
  BOOST_TEST(hub.files("data/test-00000-of-00001.parquet") == "data/test-00000-of-00001.parquet");
}

BOOST_AUTO_TEST_CASE(words_of_splits) {
  const auto chosen = [](const std::vector<std::string>& names, const std::string& split = "train") {
    std::string out;
    for (const std::string& name : choose_data_files(names, with(split), "here").files)
      out += (out.empty() ? "" : " ") + name;
    return out;
  };
  BOOST_TEST(chosen({"training.jsonl", "testing.jsonl"}) == "training.jsonl");
  BOOST_TEST(chosen({"Train.jsonl", "Test.jsonl"}) == "Train.jsonl");
  BOOST_TEST(chosen({"Train.jsonl", "Test.jsonl"}, "TEST") == "Test.jsonl");
  for (const char* name : {"train.json", "my_train.json", "train0.json", "train_00012.json", "a/train/0.json",
                           "strain/train.json", "TRAINING.json", "test/train.json", "data/train/x.json.gz",
                           "train-00000-of-00003.json", "train-00000-of-00003-ab12.json", "chat-train.json"})
    BOOST_TEST(chosen({name, "other.json"}) == name);
  for (const char* name : {"trainer.json", "strain.json", "contest.json", "value.json"})
    BOOST_TEST(chosen({name, "other.json"}) == std::string(name) + " other.json");
  for (const char* name : {"validation.json", "valid.json", "val.json", "dev/0.json"})
    BOOST_TEST(chosen({name, "train.json"}, "validation") == name);
  for (const char* name : {"test.json", "testing.json", "eval.json", "evaluation.json"})
    BOOST_TEST(chosen({name, "train.json"}, "test") == name);
  // The name nearest to the file tells.
  BOOST_TEST(chosen({"train_test_split/test.json", "train_test_split/train.json"}) ==
             "train_test_split/train.json");
  BOOST_TEST(chosen({"train/a.json", "test/a.json"}) == "train/a.json");
  // A name that only begins with a split's is another split, which must be asked for by its name.
  const std::vector<std::string> ultra = {"data/test_sft-00000-of-00001-f7.json",
                                          "data/train_gen-00000-of-00003-a6.json",
                                          "data/train_sft-00000-of-00003-a3.json"};
  expect_data_error({"split 'train'", "--dataset_split test_sft or train_gen or train_sft"},
                    [&] { chosen(ultra); });
  BOOST_TEST(chosen(ultra, "train_sft") == ultra[2]);
  BOOST_TEST(chosen({"train.json", "train_sft.json"}) == "train.json");
  for (const char* name : {"train_test.json", "train-test.json", "train_sft.json", "sft_train_x.json"})
    expect_data_error({name, "split 'train'", "--dataset_split"}, [&] { chosen({name}); });
  // What sets files of one split apart may be configurations.
  expect_data_error({"several data sets", "de*, en*", "--dataset_config_name"}, [&] {
    chosen({"de_train.json", "en_train.json", "en_test.json"});
  });
  expect_data_error({". (the folder itself), small*"}, [&] { chosen({"train.json", "train-small.json"}); });
  // Other names are words.
  BOOST_TEST(chosen({"Unsupervised/0.json", "train/0.json"}, "unsupervised") == "Unsupervised/0.json");
  // What is named after other splits is never read for training.
  for (const char* name : {"test.jsonl", "x/Validation/0.jsonl", "dev.jsonl", "eval-0.jsonl"})
    expect_data_error({"here", name, "split 'train'", "--dataset_split"}, [&] { chosen({name}); });
  expect_data_error({"test.jsonl, validation.jsonl", "--dataset_split validation or test"}, [&] {
    chosen({"test.jsonl", "validation.jsonl"});
  });
}

BOOST_AUTO_TEST_CASE(names_are_told_without_control_characters) {
  expect_data_error({"a\\x1B[2J.png"}, [] { choose_data_files({"a\x1b[2J.png"}, with("train"), "here"); });
}

BOOST_AUTO_TEST_CASE(the_files_that_are_read_are_told) {
  const Tree tree({"src_train_notes.md", "a.md", "b.md"});
  Capture err(STDERR_FILENO);
  (void)tree.files();
  (void)tree.files("*.md");
  const std::string text = err.text();
  // A title is no split's name.
  BOOST_TEST(text.find("data set: 3 files of the 3 in " + tree.folder.path().string() +
                       " (no name tells a split): a.md, b.md, src_train_notes.md\n") != std::string::npos,
             text);
  BOOST_TEST(text.find("data set: 3 files of the pattern ") != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(configurations) {
  const Tree tree(
      {"en/train.jsonl", "en/test.jsonl", "de/train.jsonl", "en-small.train.jsonl", "english.jsonl"});
  BOOST_TEST(tree.files("", with("train", "en")) == "en/train.jsonl");
  BOOST_TEST(tree.files("", with("test", "en")) == "en/test.jsonl");
  BOOST_TEST(tree.files("", with("train", "en-small")) == "en-small.train.jsonl");
  BOOST_TEST(tree.files("", with("train", "english")) == "english.jsonl");
  BOOST_TEST(tree.files("", with("train", "*e*")) == "de/train.jsonl en/train.jsonl en-small.train.jsonl");
  for (const char* none : {"fr", "e", "en/test", "f*"}) {
    expect_data_error({std::string("configuration '") + none + "'", "de/train.jsonl"},
                      [&] { (void)tree.files("", with("train", none)); });
  }
  expect_data_error({"several data sets", "de, en, en-small*", "--dataset_config_name"},
                    [&] { (void)tree.files(); });
  // The name may mean two things, and below a folder there may be several.
  expect_data_error({"may be each of", "a/en, b/en"}, [] {
    (void)Tree({"a/en/0.json", "b/en/0.json"}).files("", with("train", "en"));
  });
  const Tree deep({"en/full/0.json", "en/sample/0.json"});
  expect_data_error({"en/full, en/sample"}, [&] { (void)deep.files("", with("train", "en")); });
  BOOST_TEST(deep.files("", with("train", "en/full")) == "en/full/0.json");
  BOOST_TEST(deep.files("", with("train", "en/*")) == "en/full/0.json en/sample/0.json");
  expect_data_error({". (the folder itself), sample"}, [] {
    (void)Tree({"all.json", "sample/0.json"}).files();
  });
}

BOOST_AUTO_TEST_CASE(options_that_choose_nothing_are_told) {
  const Tree tree({"a.json"});
  for (const char* path : {"a.json", "*.json"}) {
    const auto found = datasets::dataset_files(tree.folder / path, with("test", "en"));
    BOOST_REQUIRE_EQUAL(found.inventory.left_out_lines().size(), 1U);
    BOOST_TEST(found.inventory.left_out_lines()[0].starts_with(
        "not used: 2 options (--dataset_config_name en, --dataset_split test)"));
  }
}

BOOST_AUTO_TEST_CASE(patterns) {
  const Tree tree(
      {"a1.json", "a2.json", "b.jsonl", "x/a3.json", "x/y/a4.json", "x/y/note.pdf", ".h/a5.json"});
  BOOST_TEST(tree.files("*.json") == "a1.json a2.json");
  BOOST_TEST(tree.files("a?.json*") == "a1.json a2.json");
  BOOST_TEST(tree.files("a[2-9].json") == "a2.json");
  BOOST_TEST(tree.files("a[!2].json") == "a1.json");
  BOOST_TEST(tree.files("**/a*.json") == "a1.json a2.json x/a3.json x/y/a4.json");
  BOOST_TEST(tree.files("x/**") == "x/a3.json x/y/a4.json");
  BOOST_TEST(tree.files("*/*/a4.json") == "x/y/a4.json");
  BOOST_TEST(tree.files("**/y/**/a4.json") == "x/y/a4.json");
  expect_data_error({"no file matches"}, [&] { (void)tree.files("*.nothing"); });
  expect_data_error({"note.pdf", ".parquet"}, [&] { (void)tree.files("x/y/*.pdf"); });
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
  const Tree tree({"x.pdf"});
  expect_data_error({"no data file among x.pdf", ".jsonl", ".parquet"}, [&] { (void)tree.files(); });
  expect_data_error({"x.pdf", "tells a file type", ".jsonl"}, [&] { (void)tree.files("x.pdf"); });
  expect_data_error({"nothing of this name"}, [&] { (void)tree.files("missing.json"); });
  expect_data_error({"a.parquet.gz", "tells a file type"}, [&] {
    write(tree.folder / "a.parquet.gz", "words of no form");
    (void)tree.files("a.parquet.gz");
  });
}

namespace {

/// What Python's datasets library writes beside the files of a data set.
std::string state_of(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names)
    list += (list.empty() ? "{\"filename\": \"" : ", {\"filename\": \"") + name + "\"}";
  return "{\"_data_files\": [" + list + "], \"_fingerprint\": \"9\", \"_split\": null}";
}

namespace fs = std::filesystem;

std::string record(const std::string& text) {  // what is in a file decides, not its name
  return "{\"text\": \"" + text + "\"}\n";
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_saved_folder_is_what_its_state_lists) {
  const TempDir folder;
  const auto set = folder / "ds";
  const auto read = [&](const fs::path& path) { return texts(read_all(path, in_order())); };
  for (const char* name : {"data-00000-of-00001", "data-00000-of-00002", "data-00001-of-00002"})
    write(set / (std::string(name) + ".arrow"), record(name));
  write(set / "old" / "data-00000-of-00001.arrow", record("below"));
  write(set / "old" / "state.json", state_of({"data-00000-of-00001.arrow"}));
  write(set / "export.parquet", record("beside"));
  write(set / "state.json", state_of({"data-00000-of-00001.arrow"}));
  using Texts = std::vector<std::string>;
  const auto dataset = Dataset::open(set, in_order());
  BOOST_TEST(texts(drain(*dataset)) == Texts({"data-00000-of-00001"}), boost::test_tools::per_element());
  BOOST_TEST(dataset->report().inventory.names(Fate::left_out, "data file").size() == 4U);
  const auto told = dataset->report().inventory.left_out_lines();
  BOOST_REQUIRE_EQUAL(told.size(), 1U);
  BOOST_TEST(told[0].find("state.json does not list") != std::string::npos, told[0]);
  // Their order is that of the list.
  write(set / "state.json", state_of({"data-00001-of-00002.arrow", "data-00000-of-00002.arrow"}));
  BOOST_TEST(read(set) == Texts({"data-00001-of-00002", "data-00000-of-00002"}),
             boost::test_tools::per_element());
  // A file that is named is read all the same.
  BOOST_TEST(read(set / "data-00000-of-00001.arrow") == Texts({"data-00000-of-00001"}));
  BOOST_TEST(read(set / "data*.arrow").size() == 3U);
  write(set / "state.json", state_of({"data-00000-of-00001.arrow", "gone.arrow"}));
  expect_data_error({(set / "gone.arrow").string(), "state.json", "--dataset_name"}, [&] { read(set); });
  // What other programs call so says nothing.
  fs::remove_all(set / "old");
  fs::remove(set / "export.parquet");
  write(set / "state.json", "{\"step\": 3}");
  BOOST_TEST(read(set).size() == 3U);
}

BOOST_AUTO_TEST_CASE(the_splits_of_a_saved_folder_are_listed) {
  const TempDir folder;
  const auto set = folder / "dd";
  for (const char* split : {"train", "test", "validation"}) {
    write(set / split / "data-00000-of-00001.arrow", record(split));
    write(set / split / "data-00000-of-00002.arrow", record("old"));
    write(set / split / "state.json", state_of({"data-00000-of-00001.arrow"}));
  }
  write(set / "dataset_dict.json", "{\"splits\": [\"train\", \"test\"]}");
  DatasetOptions options = in_order();
  for (const char* split : {"train", "test"}) {
    options.split = split;
    BOOST_TEST(texts(read_all(set, options)) == std::vector<std::string>({split}));
  }
  options.split = "validation";
  expect_data_error({"no file of the split 'validation'"}, [&] { read_all(set, options); });
  BOOST_TEST(read_all(set / "validation", in_order()).size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
