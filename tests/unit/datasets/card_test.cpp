// The card of a data set: which files are which configuration's, and what is no card of ours.
#include "src/datasets/internal/card.hpp"

#include "anemll/datasets/data_files.hpp"
#include "tests/unit/datasets/support.hpp"

using namespace anemll;
using namespace anemll::test;

namespace {

const std::vector<std::string> kFiles = {
    "README.md",           "data/a/0.parquet",      "data/b/1.parquet",
    "extra/x.jsonl",       "sample/10BT/0.parquet", "sample/10BT/held.parquet",
    "train_sft-0.parquet", "train-0.parquet"};

std::string card(const std::string& configs) {
  return "---\nlicense: mit\ndataset_info:\n- config_name: default\n  splits:\n  - name: train\n" + configs +
         "tags:\n- a\n---\n# configs: none\n";
}

std::string chosen(const std::string& configs, std::optional<std::string> config = {},
                   const std::string& split = "train") {
  DatasetOptions options = in_order();
  options.config = std::move(config);
  options.split = split;
  std::string out;
  for (const std::string& name : choose_data_files(kFiles, options, "here", card(configs)).files)
    out += (out.empty() ? "" : " ") + name;
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_card)

// 50-many-configs-none-chosen
BOOST_AUTO_TEST_CASE(many_configurations_and_none_chosen) {
  const auto folder = golden("cases/50-many-configs-none-chosen");
  const std::string names = "wikitext-103-raw-v1, wikitext-103-v1, wikitext-2-raw-v1, wikitext-2-v1";
  expect_data_error({"several configurations", names, "--dataset_config_name"},
                    [&] { read_all(folder, in_order()); });
  DatasetOptions options = in_order();
  options.config = "wikitext-2-v1";
  for (const Document& document : read_all(folder, options))
    BOOST_TEST(document.where.find("wikitext-2-v1/train-00000-of-00001.parquet") != std::string::npos);
  options.config = "wikitext-2";
  expect_data_error({"no configuration 'wikitext-2'", names}, [&] { read_all(folder, options); });
  options.config = "wikitext-2-v1";
  options.split = "validation";  // there is such a file, but the card does not give it to a split
  expect_data_error({"no split 'validation'", "train, test", "--dataset_split train or test"},
                    [&] { read_all(folder, options); });
  // The same files without the card are told apart by their folders.
  const TempDir temp;
  std::filesystem::copy(folder, temp / "d", std::filesystem::copy_options::recursive);
  std::filesystem::permissions(temp / "d", std::filesystem::perms::owner_all);
  std::filesystem::remove(temp / "d/README.md");
  expect_data_error({"several data sets", names}, [&] { read_all(temp / "d", in_order()); });
  options.split = "train";
  BOOST_TEST(!read_all(temp / "d", options).empty());
}

// 52-config-in-readme
BOOST_AUTO_TEST_CASE(the_card_names_the_default) {
  const auto folder = golden("cases/52-config-in-readme");
  const auto where = [](const std::vector<Document>& documents) {
    BOOST_REQUIRE(!documents.empty());
    for (const Document& one : documents)
      BOOST_TEST(one.where.substr(0, one.where.find(", row")) ==
                 documents[0].where.substr(0, documents[0].where.find(", row")));
    return documents[0].where;
  };
  BOOST_TEST(where(read_all(folder, in_order())).find("data/CC-MAIN-2013-20/000_00000.parquet") !=
             std::string::npos);
  DatasetOptions options = in_order();
  options.config = "sample-10BT";
  BOOST_TEST(where(read_all(folder, options)).find("sample/10BT/000_00000.parquet") != std::string::npos);
  options.config = "sample";
  expect_data_error({"no configuration 'sample'", "default, sample-10BT"},
                    [&] { read_all(folder, options); });
}

BOOST_AUTO_TEST_CASE(forms_of_data_files) {
  for (const char* form :
       {"configs:\n- config_name: default\n  data_files: data/*/*\n",
        "configs:\n  - config_name: default\n    data_files:\n      - \"data/a/*\"\n      - './data/b/*'\n",
        "configs:\n- config_name: \"default\"   # the usual one\n  data_files:\n  - split: train\n    path: "
        "data/**\n",
        "configs: [{config_name: default, data_files: [{split: train, path: [data/a/*, data/b/*]}]}]\n",
        "configs:\n- config_name: default\n  data_files:\n    train: data/**/*.parquet\n    test: "
        "sample/**\n",
        "configs:\n- config_name: only\n  data_dir: data\n  data_files: '*/*'\n",
        "configs:\n-\n  config_name: a\n  data_files: extra/*\n-\n  config_name: b\n  default: true\n  "
        "data_files: data\n"})
    BOOST_TEST(chosen(form) == "data/a/0.parquet data/b/1.parquet", form);
  const std::string two =
      "configs:\n- config_name: small\n  data_dir: ./sample/10BT/\n- config_name: extra\n  data_files:\n"
      "  - split: train\n    path: extra/*\n  - split: held_out\n    path:\n    - sample/10BT/held*\n";
  BOOST_TEST(chosen(two, "small") == "sample/10BT/0.parquet sample/10BT/held.parquet");
  BOOST_TEST(chosen(two, "extra") == "extra/x.jsonl");
  BOOST_TEST(chosen(two, "extra", "held_out") == "sample/10BT/held.parquet");
  expect_data_error({"several configurations", "small, extra"}, [&] { chosen(two); });
  // Split names of the card are whole names.
  BOOST_TEST(chosen("configs:\n- data_files:\n  - split: train\n    path: train-*\n  - split: train_sft\n    "
                    "path: train_sft-*\n") == "train-0.parquet");
  // Without `configs:` the names tell.
  BOOST_TEST(chosen("") == "train-0.parquet");
}

BOOST_AUTO_TEST_CASE(cards_that_cannot_be_read) {
  for (const auto& [configs, part] : std::vector<std::pair<std::string, std::string>>{
           {"configs: yes\n", "it is no list"},
           {"configs:\n- config_name: [a]\n", "'config_name' is no text"},
           {"configs:\n- config_name: a\n- config_name: a\n", "two of the name 'a'"},
           {"configs:\n- data_files:\n  - split: train\n", "has no path"},
           {"configs:\n- data_files: hf://datasets/o/n/x.parquet\n", "lies elsewhere"},
           {"configs:\n- &a\n  config_name: x\n", "README.md:8: "},
           {"configs:\n- config_name: 'x\n", "quote"},
           {"configs:\n- data_files: [a, b\n", "ends inside a bracket"},
           {"configs:\n- config_name: x\n   data_files: y\n", "README.md:"},
           {"configs:\n" + std::string(60, '-') + "\n", "README.md"},
           {"configs:\n- " + std::string(60, '[') + "\n", "too deeply"}}) {
    const std::string wanted = part;
    const std::string text = configs;
    expect_data_error({wanted, "README.md", "--dataset_name"}, [&] { chosen(text); });
  }
  expect_data_error({"nothing/*", "train", "no data file has such a name"},
                    [] { chosen("configs:\n- data_files: nothing/*\n"); });
  // No front matter, or one that never says `configs:`, is no card of ours.
  for (const char* text :
       {"", "# Title\nconfigs:\n- x\n", "---\ntitle: a\n---\nconfigs: 1\n", "--\n---\nconfigs: 1\n"})
    BOOST_TEST(datasets::card_configurations(text, "here").empty());
}

BOOST_AUTO_TEST_CASE(settings_of_another_reader_are_told) {
  const auto choice =
      choose_data_files(kFiles, in_order(), "here",
                        card("configs:\n- config_name: default\n  sep: \"\\t\"\n  data_files: data/*/*\n"));
  BOOST_REQUIRE_EQUAL(choice.inventory.left_out_lines().size(), 1U);
  BOOST_TEST(choice.inventory.left_out_lines()[0].find("1 key (sep)") != std::string::npos);
  BOOST_TEST(choice.why == "the card's configuration 'default', split 'train' (data/*/*)");
}

BOOST_AUTO_TEST_SUITE_END()
