// anemll_precompute and what it reads: data sets as people have them, what is told of them, --inspect,
// --strict.
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"

#include <fstream>
#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using test::says;

namespace {

const std::string kFox = "The quick brown fox jumps over the lazy dog near the river bank today.";

/// One folder with a data file and the outputs of the runs over it.
struct Case {
  fs::path put(const std::string& name, const std::string& text) const {
    fs::create_directories((temp / name).parent_path());
    std::ofstream(temp / name, std::ios::binary) << text;
    return temp / name;
  }
  std::string command(const fs::path& dataset, const std::string& flags) const {
    const std::string own = "--teacher_model_name_or_path ";
    return test::bin("anemll_precompute") + " " +
           (says(flags, own) ? "" : own + test::golden("nano").string()) +
           " --threads 1 --dtype fp32 --max_length 16 --topk 4 --holdout 0 --num_sequences 8 --no-shuffle "
           "--dataset_name " +
           dataset.string() + " " + flags;
  }
  test::ToolResult inspect(const fs::path& dataset, const std::string& flags) const {
    return test::run(command(dataset, flags + " --inspect"));
  }
  test::ToolResult make(const fs::path& dataset, const std::string& flags) const {
    return test::run(command(dataset, flags + " --output_dir " + (temp / "out").string()));
  }
  test::TempDir temp;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(precompute_data)

BOOST_AUTO_TEST_CASE(several_data_sets_are_mixed_by_their_shares) {
  const Case one;
  std::string plain, chat;
  for (int i = 0; i < 40; ++i) {
    plain.append("{\"text\": \"").append(kFox).append("\"}\n");
    chat.append(R"({"conversations": [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": ")")
        .append(kFox)
        .append("\"}]}\n");
  }
  const fs::path first = one.put("plain.jsonl", plain), second = one.put("chat.jsonl", chat);
  const std::string both = first.string() + ":0.5," + second.string() + "=sharegpt:0.5";
  test::expect(one.make(both, ""), 0, {"plain.jsonl: ", "chat.jsonl: ", "% of the text)"});
  const auto meta =
      nlohmann::json::parse(test::read_all(one.temp / "out/index.json")).at("meta").at("anemll");
  BOOST_TEST(meta.at("sources").size() == 2U);
  BOOST_TEST(meta.at("sources").at(0).at("share").get<double>() == 0.5);
  BOOST_TEST(meta.at("sources").at(1).at("tokens").get<int>() > 0);
  BOOST_TEST(meta.at("chat_template").get<std::string>() == "qwen3");
  test::expect(one.make(first.string() + ":0.5," + second.string(), "--overwrite"), 2, {"some have none"});
}

BOOST_AUTO_TEST_CASE(inspection_tells_everything_and_makes_nothing) {
  const Case one;
  const fs::path data = one.put(
      "d.jsonl",
      R"({"id": 1, "conversations": [{"from": "human", "value": "2+2?"}, {"from": "narrator", "value": "x"}, {"from": "gpt", "value": ")" +
          kFox + "\"}]}\n{\"conversations\": [{\"from\": \"human\", \"value\": \"alone\"}]}\n");
  const auto seen =
      one.inspect(data, "--dataset_format sharegpt --output_dir " + (one.temp / "out").string());
  BOOST_TEST(seen.code == 0, seen.output);
  for (const std::string& part :
       {std::string("files: 1, chosen by: the name that was given"), data.string() + ": 1 documents, ",
        std::string("100.0% of the text"), std::string("template: qwen3, --enable_thinking false"),
        std::string("gpt as assistant x 1"), std::string("human as user x 2"),
        std::string("not used: 1 turn (narrator)"), std::string("not used: 1 column (id)"),
        std::string("not used: 1 record (skipped)"), std::string("cache: 2 sequences of 16 tokens"),
        std::string(" bytes each: "), std::string("samples: the first texts"), std::string("sample 1, "),
        std::string("[[<|im_start|>]]us|er|\\n"), std::string("[[<|im_end|>]]")})
    BOOST_TEST(says(seen.output, part), part << "\nis not in\n" << seen.output);
  BOOST_TEST(std::distance(fs::directory_iterator(one.temp.path()), fs::directory_iterator{}) == 1);
  BOOST_TEST(!says(seen.output, "teacher pass"));
  // The same as an error, before anything is made.
  for (const bool inspect : {true, false}) {
    const auto strict = inspect ? one.inspect(data, "--strict --dataset_format sharegpt")
                                : one.make(data, "--strict --dataset_format sharegpt");
    BOOST_TEST(strict.code == 3, strict.output);
    BOOST_TEST(says(strict.output, "turn (narrator)"), strict.output);
    BOOST_TEST(!fs::exists(one.temp / "out"));
  }
  const auto needed = test::run(one.command(data, "--dataset_format sharegpt"));
  BOOST_TEST(needed.code == 2);
  BOOST_TEST(says(needed.output, "--output_dir"), needed.output);
}

// 43d-reasoning-content and 43-sharegpt-tools
BOOST_AUTO_TEST_CASE(thinking_and_tools_by_the_templates_rules) {
  const Case one;
  const fs::path thinking = one.put(
      "t.jsonl",
      R"({"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "reasoning_content": "Adding two and two.", "content": "4. )" +
          kFox + "\"}]}\n");
  const auto on = one.inspect(thinking, "--strict --dataset_format sharegpt --enable_thinking true");
  BOOST_TEST(on.code == 0, on.output);
  BOOST_TEST(says(on.output, "A|dd|ing| two| and| two|.\\n"), on.output);
  BOOST_TEST(says(on.output, "left out: nothing"), on.output);
  const auto off = one.inspect(thinking, "--dataset_format sharegpt");
  BOOST_TEST(says(off.output, "not used: 1 thinking (assistant)"), off.output);
  const fs::path tools = one.put(
      "tools.jsonl",
      R"({"conversations": [{"from": "human", "value": "Weather?"}, {"from": "function_call", "value": "{\"name\": \"w\", \"arguments\": {}}"}, {"from": "observation", "value": "21"}, {"from": "gpt", "value": ")" +
          kFox + "\"}]}\n");
  const auto called = one.inspect(tools, "--strict --dataset_format sharegpt");
  BOOST_TEST(called.code == 0, called.output);
  BOOST_TEST(says(called.output, "observation as tool x 1"), called.output);
  const auto smol = one.make(tools, "--strict --dataset_format sharegpt --chat-template smollm2");
  BOOST_TEST(smol.code == 3, smol.output);
  BOOST_TEST(says(smol.output, "1 turn (tool): the chat template smollm2 has no known rule for it"),
             smol.output);
}

// 17-pad-past-embedding
BOOST_AUTO_TEST_CASE(a_token_without_a_row_is_an_error_where_it_occurs) {
  const Case one;
  const fs::path model = one.temp / "model";
  fs::create_directories(model);
  for (const char* name :
       {"config.json", "model.safetensors", "tokenizer_config.json", "chat_template.jinja"})
    fs::copy_file(test::golden("nano") / name, model / name);
  auto tokenizer = nlohmann::json::parse(test::read_all(test::golden("nano") / "tokenizer.json"));
  auto pad = tokenizer.at("added_tokens").at(0);
  pad["id"] = 4096;
  pad["content"] = "[PAD]";
  tokenizer["added_tokens"].push_back(pad);
  std::ofstream(model / "tokenizer.json") << tokenizer.dump();
  const std::string teacher = "--teacher_model_name_or_path " + model.string();
  test::expect(one.make(one.put("a.txt", kFox), teacher), 0, {"the tokenizer has ids up to 4096"});
  test::expect(one.make(one.put("b.txt", kFox + " [PAD]"), teacher + " --overwrite"), 3,
               {"the token '[PAD]' has the id 4096", "b.txt"});
}

// The line "Today Date" is there when it is asked for, and a cache knows its day.
BOOST_AUTO_TEST_CASE(the_day_of_a_template_is_part_of_a_cache) {
  const Case one;
  const fs::path data = one.put(
      "d.jsonl", R"({"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": ")" +
                     kFox + "\"}]}\n");
  const std::string llama = "--dataset_format sharegpt --chat-template llama3.1 ";
  const std::string day = llama + "--template-date '26 Jul 2024' ";
  const auto made = one.make(data, day);
  BOOST_TEST(made.code == 0, made.output);
  const std::string meta = test::read_all(one.temp / "out/index.json");
  BOOST_TEST(says(meta, "\"llama3.1, Today Date: 26 Jul 2024\""), meta);
  const auto same = one.make(data, day + "--resume");
  BOOST_TEST(same.code == 0, same.output);
  const auto other = one.make(data, llama + "--resume");
  BOOST_TEST(other.code != 0, other.output);
  BOOST_TEST(says(other.output, "not a cache of these options"), other.output);
  const auto none = one.inspect(data, "--dataset_format sharegpt --template-date x");
  BOOST_TEST(none.code == 2, none.output);
  BOOST_TEST(says(none.output, "the chat template qwen3 has no line with a date"), none.output);
}

// 42b-content-mixed, 57-first-record-lacks-field, 53-csv, 67-alpaca-history
BOOST_AUTO_TEST_CASE(records_as_people_have_them) {
  const Case one;
  const fs::path parts = one.put(
      "parts.jsonl",
      R"({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": ")" + kFox +
          R"("}]})" + "\n" +
          R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "content": [{"type": "text", "text": ")" +
          kFox + "\"}]}]}\n");
  const fs::path late = one.put("late.jsonl", "{\"id\": 0}\n{\"id\": 1, \"text\": \"" + kFox + "\"}\n");
  const fs::path table = one.put("train.csv", "instruction,input,output\n\"Say 0\",\"\",\"" + kFox + "\"\n");
  const fs::path history =
      one.put("history.jsonl",
              R"({"system": "You are a pirate.", "instruction": "And then?", "input": "", "output": ")" +
                  kFox + R"(", "history": [["First question", "First answer"]]})" + "\n");
  for (const auto& [path, flags, part] : std::vector<std::tuple<fs::path, std::string, std::string>>{
           {parts, "--strict --dataset_format sharegpt", "text: 2 documents"},
           {late, "", "text: 1 documents"},
           {table, "--strict --dataset_format alpaca", "text: 1 documents"},
           {history, "--strict --dataset_format alpaca", "p|ir|ate|."}}) {
    const auto seen = one.inspect(path, flags);
    BOOST_TEST(seen.code == 0, seen.output);
    BOOST_TEST(says(seen.output, part), seen.output);
  }
}

BOOST_AUTO_TEST_CASE(bad_records_are_in_the_provenance) {
  const Case one;
  const fs::path data =
      one.put("d.jsonl", "{\"text\": \"" + kFox + "\"}\n{\"text\": \n{\"text\": \"" + kFox + "\"}\n");
  const auto refused = one.make(data, "");
  BOOST_TEST(refused.code == 3, refused.output);
  BOOST_TEST((says(refused.output, "d.jsonl:2") && says(refused.output, "--max-bad-records")),
             refused.output);
  const auto made = one.make(data, "--max-bad-records 1");
  BOOST_REQUIRE_MESSAGE(made.code == 0, made.output);
  BOOST_TEST(says(made.output, "d.jsonl:2"), made.output);
  const auto meta = nlohmann::json::parse(test::read_all(one.temp / "out/index.json"))["meta"]["anemll"];
  BOOST_TEST(meta["bad_records"] == 1);
  BOOST_TEST(says(meta["bad_record_examples"][0].get<std::string>(), "d.jsonl:2"));
  BOOST_TEST(says(meta["left_out"][0].get<std::string>(), "1 bad record"));
  const auto exported = test::run(test::bin("anemll_cache") + " export " + (one.temp / "out").string() + " " +
                                  (one.temp / "pt").string());
  BOOST_REQUIRE_MESSAGE(exported.code == 0, exported.output);
  BOOST_TEST(nlohmann::json::parse(test::read_all(one.temp / "pt/meta.json"))["anemll"] == meta);
}

BOOST_AUTO_TEST_CASE(a_map_is_a_part_of_what_a_cache_is) {
  const Case one;
  const fs::path data = one.put("d.csv", "question,answer,other\nSay 0," + kFox + ",x\n");
  const std::string format = "--dataset_format alpaca ";
  const auto refused = one.make(data, format);
  BOOST_TEST(refused.code == 3, refused.output);
  BOOST_TEST(says(refused.output, "--map FIELD=COLUMN"), refused.output);
  const auto wrong = one.make(data, format + "--map question=instruction");
  BOOST_TEST(wrong.code == 2, wrong.output);
  const auto made = one.make(data, format + "--map output=answer --map instruction=question");
  BOOST_REQUIRE_MESSAGE(made.code == 0, made.output);
  const auto meta = nlohmann::json::parse(test::read_all(one.temp / "out/index.json"))["meta"]["anemll"];
  BOOST_TEST(meta["map"] == nlohmann::json::parse(R"(["instruction=question", "output=answer"])"));
  const auto same = one.make(data, format + "--map instruction=question --map output=answer --resume");
  BOOST_TEST(same.code == 0, same.output);
  const auto other = one.make(data, format + "--map instruction=other --map output=answer --resume");
  BOOST_TEST(other.code == 2, other.output);
}

// 50-many-configs-none-chosen and 52-config-in-readme, as folders without Parquet
BOOST_AUTO_TEST_CASE(configurations_are_never_mixed) {
  const Case one;
  for (const char* name : {"big/train.jsonl", "small/train.jsonl"})
    one.put(std::string("d/") + name, "{\"text\": \"" + kFox + "\"}\n");
  const auto open = one.inspect(one.temp / "d", "");
  BOOST_TEST(open.code == 3, open.output);
  BOOST_TEST((says(open.output, "big, small") && says(open.output, "--dataset_config_name")), open.output);
  one.put("d/README.md",
          "---\nconfigs:\n- config_name: default\n  data_files: big/*\n- config_name: tiny\n  data_files: "
          "small/*\n---\n");
  const auto big = one.inspect(one.temp / "d", "--strict");
  BOOST_TEST(big.code == 0, big.output);
  BOOST_TEST(
      says(big.output, "files: 1, chosen by: the card's configuration 'default', split 'train' (big/*)"),
      big.output);
  const auto tiny = one.inspect(one.temp / "d", "--dataset_config_name tiny");
  BOOST_TEST(says(tiny.output, "small/train.jsonl: 1 documents"), tiny.output);
  BOOST_TEST(!says(tiny.output, "big/train.jsonl"), tiny.output);
}

// What of the teacher's folder is not used: told before the text is read, kept with the cache.
BOOST_AUTO_TEST_CASE(parts_of_the_teacher_that_are_not_used) {
  const Case one;
  const fs::path model = one.temp / "model";
  fs::create_directories(model);
  for (const char* name : {"model.safetensors", "tokenizer.json", "chat_template.jinja"})
    fs::copy_file(test::golden("nano") / name, model / name);
  auto config = nlohmann::json::parse(test::read_all(test::golden("nano/config.json")));
  config["strange"] = 1;
  one.put("model/config.json", config.dump());
  auto text = nlohmann::json::parse(test::read_all(test::golden("nano/tokenizer_config.json")));
  text["chat_template"] = "{{ 'other' }}";
  one.put("model/tokenizer_config.json", text.dump());
  const std::string flags = " --teacher_model_name_or_path " + model.string();
  const fs::path data = one.put("d.jsonl", "{\"text\": \"" + kFox + "\"}\n");
  const auto strict = one.make(data, "--strict" + flags);
  BOOST_TEST(strict.code == 3, strict.output);
  for (const char* part : {"config key (strange)", "(chat_template): it differs from chat_template.jinja"})
    BOOST_TEST(says(strict.output, part), strict.output);
  const auto made = one.make(data, flags);
  BOOST_REQUIRE_MESSAGE(made.code == 0, made.output);
  BOOST_TEST(says(made.output, "config key (strange)"), made.output);
  const auto meta = nlohmann::json::parse(test::read_all(one.temp / "out/index.json"))["meta"]["anemll"];
  BOOST_TEST(says(meta["left_out"].dump(), "teacher: not used: 1 config key (strange)"));
}

BOOST_AUTO_TEST_SUITE_END()
