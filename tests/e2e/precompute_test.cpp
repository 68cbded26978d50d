// anemll_precompute against the reference's shards, on ranks, killed, and given nonsense.
#include "anemll/core/half.hpp"
#include "anemll/formats/torch_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

std::string nano_command(const fs::path& out, const std::string& flags) {
  return test::bin("anemll_precompute") + " --teacher_model_name_or_path " + test::golden("nano").string() +
         " --output_dir " + out.string() + " --threads 1 " + flags;
}

std::string alpaca() {
  return " --dataset_name " + test::golden("datasets/alpaca_40.json").string() +
         " --dataset_format alpaca_chat ";
}

/// A run with every payload and a hold-out part; the last micro-batch is not full.
std::string full_flags() {
  return alpaca() +
         "--max_length 32 --topk 16 --rand_neg 8 --payload topk,lse,hidden --holdout 0.25 "
         "--num_sequences 40 --batch_size 3 --shard_size 10 --dtype fp32 --enable_thinking both ";
}

/// name -> bytes of all files below.
std::map<std::string, std::string> content(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      files[fs::relative(entry.path(), folder).string()] = test::read_all(entry.path());
  }
  return files;
}

/// created_utc is fixed at the first start of each run, so two runs differ in it and in hashes of nothing
/// else.
void same_but_for_times(const fs::path& a, const fs::path& b) {
  const auto index = [](const fs::path& folder) {
    auto json = nlohmann::json::parse(test::read_all(folder / "index.json"));
    json["meta"].erase("created_utc");
    return json;
  };
  BOOST_TEST(index(a) == index(b));  // with the hash of every shard
}

bool mentions(const test::ToolResult& result, std::initializer_list<const char*> parts) {
  for (const char* part : parts) {
    if (result.output.find(part) == std::string::npos) return false;
  }
  return true;
}

template <class T>
const T* values(const anemll::TensorMap& tensors, const char* name) {
  return reinterpret_cast<const T*>(tensors.find(name)->data);
}

struct Reference {
  const char* name;
  const char* dataset;
  const char* format;
  const char* thinking;
  int sequences;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(precompute)

// The reference's cache script on the same text and teacher, without shuffle. Ids are equal. Logits are
// rounded to binary16 once; fp32 sums in another order may fall on the other side, so one unit in the last
// place is allowed. Ids may swap where fp32 cannot tell their logits apart: then the places of one shard hold
// the same ids, or such an id lies at the end of the list (tests/unit/teacher/reference_test.cpp looks at the
// fp32 logits themselves).
BOOST_AUTO_TEST_CASE(equals_the_reference) {
  const Reference references[] = {
      {"alpaca_false", "alpaca_40.json", "alpaca_chat", "false", 32},
      {"alpaca_true", "alpaca_40.json", "alpaca_chat", "true", 32},
      {"alpaca_both", "alpaca_40.json", "alpaca_chat", "both", 32},
      {"alpaca_none", "alpaca_40.json", "alpaca_chat", "none", 32},
      {"alpaca_all", "alpaca_40.json", "alpaca_chat", "all", 32},
      {"dolly_false", "dolly_12.json", "dolly", "false", 16},
      {"openhermes_true", "openhermes_12.json", "openhermes", "true", 16},
      {"sharegpt_both", "sharegpt_10.json", "sharegpt", "both", 16},
      {"plain", "c4_demo.jsonl", "plain", "false", 32},
  };
  for (const Reference& reference : references) {
    const test::TempDir temp;
    const auto made = test::run(nano_command(
        temp / "out",
        std::string("--compat reference --format pt --no-shuffle --dtype fp32 --max_length 32 --topk 16 "
                    "--shard_size 32 --batch_size 4 --num_sequences ") +
            std::to_string(reference.sequences) + " --dataset_format " + reference.format +
            " --enable_thinking " + reference.thinking + " --dataset_name " +
            test::golden(std::string("datasets/") + reference.dataset).string()));
    BOOST_REQUIRE_MESSAGE(made.code == 0, made.output);
    const auto ours = anemll::read_state_dict(temp / "out/shard_00000.pt");
    const auto theirs = anemll::read_state_dict(
        test::golden(std::string("precompute/") + reference.name + "/shard_00000.pt"));
    for (const char* tensor : {"input_ids", "attention_mask", "topk_idx", "topk_logits"}) {
      BOOST_REQUIRE_EQUAL(ours.find(tensor)->describe(), theirs.find(tensor)->describe());
    }
    const auto bytes = [](const anemll::TensorMap& map, const char* name) {
      const auto* tensor = map.find(name);
      return std::string(reinterpret_cast<const char*>(tensor->data), tensor->bytes());
    };
    BOOST_TEST(bytes(ours, "input_ids") == bytes(theirs, "input_ids"), reference.name << ": token ids");
    BOOST_TEST(bytes(ours, "attention_mask") == bytes(theirs, "attention_mask"));
    const auto count = static_cast<std::size_t>(ours.find("topk_idx")->numel());
    std::size_t swaps = 0, far = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const float a = anemll::half_to_float(values<std::uint16_t>(ours, "topk_logits")[i]);
      const float b = anemll::half_to_float(values<std::uint16_t>(theirs, "topk_logits")[i]);
      const float ulp = std::ldexp(1.0F, std::max(std::ilogb(std::max(std::abs(a), std::abs(b))), -14) - 10);
      if (std::abs(a - b) > ulp) ++far;
      if (values<std::int32_t>(ours, "topk_idx")[i] != values<std::int32_t>(theirs, "topk_idx")[i]) ++swaps;
    }
    BOOST_TEST(far == 0U, reference.name << ": " << far << " logits differ by more than one unit");
    // The closest pairs of these random models' logits lie 1e-6 apart: swaps are rare.
    BOOST_TEST(swaps <= count / 2000, reference.name << ": " << swaps << " swaps of " << count);
    const auto meta = nlohmann::json::parse(test::read_all(temp / "out/meta.json"));
    BOOST_TEST(meta["chat_thinking"] == reference.thinking);
    BOOST_TEST(meta["num_sequences"] == reference.sequences);
    BOOST_TEST(nlohmann::json::parse(test::read_all(temp / "out/progress.json"))["done"] == true);
  }
}

BOOST_AUTO_TEST_CASE(any_number_of_ranks_makes_the_same_cache) {
  const test::TempDir temp;
  for (const int ranks : {1, 2, 3}) {
    const auto made =
        test::run(test::mpirun(ranks, nano_command(temp / std::to_string(ranks), full_flags())));
    BOOST_REQUIRE_MESSAGE(made.code == 0, made.output);
    BOOST_TEST(!fs::exists(temp / (std::to_string(ranks) + ".precompute")));
  }
  same_but_for_times(temp / "1", temp / "2");
  same_but_for_times(temp / "1", temp / "3");
  const auto verified = test::run(test::bin("anemll_cache") + " verify " + (temp / "2").string());
  BOOST_TEST(verified.code == 0, verified.output);
  const auto index = nlohmann::json::parse(test::read_all(temp / "1/index.json"));
  BOOST_TEST(index["sequences"] == 40);
  BOOST_TEST(index["shards"].size() == 4U);  // of 12, 12, 12 and 4: whole micro-batches
  BOOST_TEST(index["holdout"].size() >= 1U);
  BOOST_TEST(index["payloads"]["hidden"]["size"] == 64);
  const auto info = nlohmann::json::parse(
      test::run(test::bin("anemll_cache") + " info --json " + (temp / "1").string() + " 2>/dev/null").output);
  BOOST_TEST(info["lse_t1"] == true);
  BOOST_TEST(info["lse_train_temperature"] == 2.0);
  BOOST_TEST(info["hidden"] == 64);
  BOOST_TEST(info["rand_neg"] == 8);
}

BOOST_AUTO_TEST_CASE(killed_again_and_again_ends_with_the_same_bytes) {
  const test::TempDir temp;
  // One shard of many micro-batches, so that they lie there until the end.
  const std::string flags = alpaca() +
                            "--max_length 32 --topk 16 --rand_neg 8 --payload topk,lse,hidden --holdout 0.25 "
                            "--num_sequences 600 --batch_size 2 --shard_size 1000 --dtype fp32 "
                            "--enable_thinking all ";
  const fs::path work = temp / "broken.precompute";
  // Kills with SIGKILL as soon as `unit` is there (or the process has ended).
  const auto kill_at = [&](const std::string& command, const std::string& unit) {
    return test::run("{ " + command + " & child=$!; while kill -0 $child 2>/dev/null && [ ! -e " +
                     (work / "units" / unit).string() + " ]; do :; done; kill -9 $child; wait $child; }");
  };
  const auto first = kill_at(nano_command(temp / "broken", flags), "rows_000000000020.unit");
  BOOST_TEST(first.code == 137, first.output);
  BOOST_REQUIRE_MESSAGE(fs::exists(work / "plan.json"), first.output);
  const auto refused = test::run(nano_command(temp / "broken", flags));
  BOOST_TEST(refused.code == 2);
  BOOST_TEST(mentions(refused, {"--resume", "--overwrite"}), refused.output);
  fs::copy(work, temp / "whole.precompute", fs::copy_options::recursive);

  const auto second = kill_at(nano_command(temp / "broken", flags + "--resume"), "rows_000000000400.unit");
  BOOST_TEST(second.code == 137, second.output);
  BOOST_TEST(mentions(second, {"sequences were there"}), second.output);
  // Every second micro-batch that is left, and one of them damaged.
  std::vector<fs::path> units;
  for (const auto& entry : fs::directory_iterator(work / "units")) units.push_back(entry.path());
  BOOST_REQUIRE(units.size() > 10U);
  for (std::size_t i = 0; i + 1 < units.size(); i += 2) fs::remove(units[i]);
  std::string bytes = test::read_all(units.back());
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  std::ofstream(units.back(), std::ios::binary) << bytes;
  const auto last = test::run(test::mpirun(2, nano_command(temp / "broken", flags + "--resume")));
  BOOST_REQUIRE_MESSAGE(last.code == 0, last.output);
  BOOST_TEST(mentions(last, {"damaged"}), last.output);

  // The same plan, and so the same created_utc, without its micro-batches: made in one go.
  fs::remove_all(temp / "whole.precompute/units");
  fs::remove_all(temp / "whole.precompute/cache");
  const auto whole = test::run(nano_command(temp / "whole", flags + "--resume"));
  BOOST_REQUIRE_MESSAGE(whole.code == 0, whole.output);
  const auto a = content(temp / "broken"), b = content(temp / "whole");
  BOOST_REQUIRE(a.size() == b.size());
  for (const auto& [name, text] : a) BOOST_TEST((b.at(name) == text), name);

  const auto again = test::run(nano_command(temp / "whole", flags + "--resume"));
  BOOST_TEST(again.code == 0, again.output);
  BOOST_TEST(mentions(again, {"nothing to do"}), again.output);
  BOOST_TEST((content(temp / "whole") == b));
}

BOOST_AUTO_TEST_CASE(a_signal_stops_all_ranks_with_75) {
  const test::TempDir temp;
  const std::string flags = alpaca() +
                            "--max_length 32 --topk 16 --num_sequences 1200 --batch_size 2 --shard_size 2000 "
                            "--dtype fp32 --enable_thinking all ";
  const fs::path work = temp / "c.precompute";
  const auto stop_at = [&](const std::string& command, const fs::path& file) {
    return test::run("{ " + command + " & child=$!; while kill -0 $child 2>/dev/null && [ ! -e " +
                     file.string() + " ]; do :; done; kill -TERM $child; wait $child; }");
  };
  const auto stopped =
      stop_at(test::mpirun(2, nano_command(temp / "c", flags)), work / "units/rows_000000000000.unit");
  BOOST_TEST(stopped.code == 75, stopped.output);
  BOOST_TEST(fs::exists(work / "plan.json"));
  const auto rest = test::run(test::mpirun(2, nano_command(temp / "c", flags + "--resume")));
  BOOST_TEST(rest.code == 0, rest.output);
  BOOST_TEST(mentions(rest, {"sequences were there"}), rest.output);
}

BOOST_AUTO_TEST_CASE(a_cache_can_be_trained_on_exactly) {
  const test::TempDir temp;
  const auto made = test::run(nano_command(temp / "c", full_flags()));
  BOOST_REQUIRE_MESSAGE(made.code == 0, made.output);
  for (const char* objective : {"topk", "topk-tail", "exact"}) {
    const auto trained = test::run(
        test::bin("anemll_train") + " --from-scratch --config q2a4 --group-size 2 --model-id " +
        test::golden("nano").string() + " --cache-dir " + (temp / "c").string() + " --output-dir " +
        (temp / objective).string() + " --kd-objective " + objective +
        " --max-steps 4 --batch-size 4 --eval-samples 4 --eval-steps 2 --logging-steps 2 --threads 1");
    BOOST_TEST(trained.code == 0, trained.output);
    const std::string metrics = test::read_all(temp / objective / "metrics.jsonl");
    BOOST_TEST(metrics.find("holdout_kl_mean") != std::string::npos, metrics);
  }
}

BOOST_AUTO_TEST_CASE(bad_input_says_what_to_do) {
  const test::TempDir temp;
  const auto put = [&](const char* name, const std::string& text) {
    std::ofstream(temp / name, std::ios::binary) << text;
    return (temp / name).string();
  };
  const auto expect = [&](int code, const std::string& flags, std::initializer_list<const char*> parts) {
    const auto result = test::run(nano_command(temp / "out", flags));
    BOOST_TEST(result.code == code, flags << "\n" << result.output);
    BOOST_TEST(mentions(result, parts), flags << "\n" << result.output);
    BOOST_TEST(mentions(result, {"hint:"}), result.output);
    BOOST_TEST(!fs::exists(temp / "out"));
  };
  const std::string good = put("good.jsonl", R"({"text": "some words to begin with"})"
                                             "\n");
  expect(3, "--dataset_name " + put("bad.jsonl", "{\"text\": \"\xff\xfe\"}\n"), {"bad.jsonl"});
  expect(2, "--dataset_name " + good + " --dataset_format alpakka", {"alpakka", "alpaca_chat"});
  expect(3, "--dataset_name " + put("empty.jsonl", ""), {"empty.jsonl"});
  expect(3, "--dataset_name " + good + " --max_length 512", {"too little text", "512"});
  expect(3, "--dataset_name " + (temp / "nowhere.jsonl").string(), {"nowhere.jsonl"});
  expect(2, "--dataset_name " + good + " --topk 5000", {"4096"});
  expect(2, "--dataset_name " + good + " --payload topk,lsd", {"lsd"});
  expect(2, "--dataset_name " + good + " --cache-dri x", {"cache-dri", "did you mean --cache_dir?"});
  expect(2, "--dataset_name " + good + " --resume --overwrite", {"contradict"});
  expect(2, "--dataset_name " + good + " --compat reference --payload topk,hidden", {"--payload"});

  // What failed before its work was planned left nothing behind that stands in the way.
  const auto mended = test::run(nano_command(
      temp / "out", alpaca() + "--max_length 32 --topk 16 --num_sequences 8 --batch_size 4 --dtype fp32"));
  BOOST_TEST(mended.code == 0, mended.output);

  // A tokenizer with more ids than the teacher has rows.
  fs::copy(test::golden("nano"), temp / "mixed");
  auto tokenizer = nlohmann::json::parse(test::read_all(test::golden("nano/tokenizer.json")));
  auto extra = tokenizer["added_tokens"].back();
  extra["id"] = 4100;
  extra["content"] = "<|beyond|>";
  tokenizer["added_tokens"].push_back(extra);
  fs::remove(temp / "mixed/tokenizer.json");
  put("mixed/tokenizer.json", tokenizer.dump());
  const auto mixed = test::run(test::bin("anemll_precompute") + " --teacher_model_name_or_path " +
                               (temp / "mixed").string() + " --output_dir " + (temp / "out2").string() +
                               " --dataset_name " + good);
  BOOST_TEST(mixed.code == 3, mixed.output);
  BOOST_TEST(mentions(mixed, {"4096"}), mixed.output);
}

// --cache_dir is the KD cache of the trainer and the hub cache of this program.
BOOST_AUTO_TEST_CASE(a_kd_cache_is_no_hub_cache) {
  const test::TempDir temp;
  const std::string flags = alpaca() + "--max_length 32 --topk 4 --num_sequences 8 --batch_size 4 ";
  const std::string torch = test::golden("nano/cache").string();
  const fs::path hdf5 = temp / "hdf5";
  const auto made = test::run(test::bin("anemll_cache") + " import " + torch + " " + hdf5.string());
  BOOST_REQUIRE_MESSAGE(made.code == 0, made.output);
  for (const std::string& option : {"--cache_dir " + torch, "--cache-dir " + hdf5.string(),
                                    "--hub-cache " + hdf5.string(), "--inspect --hub_cache " + torch}) {
    const auto refused = test::run(nano_command(temp / "out", flags + option));
    BOOST_TEST(refused.code == 2, option << "\n" << refused.output);
    BOOST_TEST(mentions(refused, {"this is a KD cache", "--hub-cache (--cache_dir)", "hint:"}),
               refused.output);
    BOOST_TEST(!fs::exists(temp / "out"));
  }
  // Any other folder is taken, and every spelling means it: nothing reads it here, and that is told.
  for (const std::string option : {"--cache_dir ", "--cache-dir ", "--hub-cache ", "--hub_cache "}) {
    const auto told =
        test::run(nano_command(temp / "out", flags + "--inspect " + option + (temp / "hub").string()));
    BOOST_TEST(told.code == 0, option << "\n" << told.output);
    BOOST_TEST(mentions(told, {"--hub-cache has no effect on local files"}), told.output);
  }
}

BOOST_AUTO_TEST_SUITE_END()
