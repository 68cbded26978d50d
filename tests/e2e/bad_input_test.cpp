// Wrong files and wrong flags: each a clear error, the documented exit code, and nothing lost or left
// half-written.
#include "anemll/formats/torch_file.hpp"
#include "tests/support/other_tokenizer.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

struct Inputs {
  std::string checkpoint = test::golden("nano/v2_q2a4_init.pt").string();
  std::string model = test::golden("nano").string();
  std::string cache = test::golden("nano/cache").string();
};

std::string command(const Inputs& in, const fs::path& out, const std::string& flags = "") {
  return test::bin("anemll_train") + " --v2-checkpoint " + in.checkpoint + " --model-id " + in.model +
         " --cache-dir " + in.cache + " --output-dir " + out.string() +
         " --max-steps 6 --batch-size 4 --eval-samples 4 --precision fp32 --threads 1 " + flags;
}

/// The run must end with `code`, say `text` and offer a hint; no final file may exist.
void expect_failure(const std::string& line, const fs::path& out, int code, const std::string& text) {
  const test::ToolResult result = test::run(line);
  BOOST_TEST(result.code == code, result.output);
  BOOST_TEST(result.output.find(text) != std::string::npos, "no '" << text << "' in: " << result.output);
  BOOST_TEST(result.output.find("hint:") != std::string::npos, result.output);
  if (!fs::exists(out)) return;
  for (const auto& entry : fs::directory_iterator(out)) {
    const std::string name = entry.path().filename().string();
    BOOST_TEST(!name.starts_with("v2_q2a4_fp"), name);
    BOOST_TEST(name.find(".tmp") == std::string::npos, name);
  }
}

/// A copy of the nano model whose weight file `change` may damage.
fs::path damaged_model(const test::TempDir& dir, void (*change)(const fs::path&)) {
  const fs::path model = dir / "model";
  fs::create_directories(model);
  for (const char* name : {"config.json", "model.safetensors"})
    fs::copy_file(test::golden(std::string("nano/") + name), model / name);
  change(model / "model.safetensors");
  return model;
}

/// The first shard of the nano cache with its tensors rewritten by `change`, as a cache of its own.
fs::path damaged_cache(const test::TempDir& dir,
                       void (*change)(const std::string& name, anemll::HostTensor& tensor)) {
  const fs::path cache = dir / "cache";
  fs::create_directories(cache);
  fs::copy_file(test::golden("nano/cache/meta.json"), cache / "meta.json");
  std::vector<anemll::LazyTensor> tensors;
  for (const auto& [name, tensor] : anemll::read_state_dict(test::golden("nano/cache/shard_00000.pt"))) {
    anemll::HostTensor copy = anemll::HostTensor::zeros(tensor.dtype, tensor.shape);
    std::memcpy(copy.mutable_bytes(), tensor.packed().data, tensor.bytes());
    change(name, copy);
    tensors.push_back(anemll::lazy(name, copy));
  }
  anemll::write_torch_file(cache / "shard_00000.pt", tensors);
  return cache;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(bad_input)

BOOST_AUTO_TEST_CASE(truncated_safetensors) {
  const test::TempDir dir;
  Inputs in;
  in.model = damaged_model(dir, [](const fs::path& file) {
               fs::resize_file(file, fs::file_size(file) / 2);
             }).string();
  expect_failure(command(in, dir / "out"), dir / "out", 3, "model.safetensors");
}

BOOST_AUTO_TEST_CASE(checkpoint_with_a_forbidden_global) {
  const test::TempDir dir;
  Inputs in;
  in.checkpoint = test::golden("files/pt/evil_global.pt").string();
  expect_failure(command(in, dir / "out"), dir / "out", 3, "evil_global.pt");
}

// Vocabularies are padded differently: a teacher with more ids, and one with fewer.
BOOST_AUTO_TEST_CASE(cache_of_another_vocabulary_serves_where_every_id_fits) {
  const test::TempDir dir, other;
  Inputs in;
  const auto of_vocabulary = [](const fs::path& cache, const std::string& ids) {
    std::string meta = test::read_all(cache / "meta.json");
    meta.replace(meta.find("\"vocab_size\": 4096"), 18, "\"vocab_size\": " + ids);
    std::ofstream(cache / "meta.json") << meta;
    return cache.string();
  };
  const fs::path same = damaged_cache(dir, [](const std::string&, anemll::HostTensor&) {});
  in.cache = of_vocabulary(same, "5000");
  const test::ToolResult padded = test::run(command(in, dir / "out", "--max-steps 1"));
  BOOST_TEST(padded.code == 0, padded.output);
  for (const char* part : {"5000 ids", "4096", "does not name its tokenizer"})
    BOOST_TEST(padded.output.find(part) != std::string::npos, padded.output);

  in.cache = of_vocabulary(damaged_cache(other,
                                         [](const std::string& name, anemll::HostTensor& tensor) {
                                           if (name == "topk_idx")
                                             reinterpret_cast<std::int32_t*>(tensor.mutable_bytes())[7000] =
                                                 4500;
                                         }),
                           "5000");
  expect_failure(command(in, other / "out"), other / "out", 3, "id 4500 is outside [0, 4096) of the model");
}

// Every id fits, and each means another token: nothing else would tell.
BOOST_AUTO_TEST_CASE(cache_of_other_tokens_is_refused) {
  const test::TempDir dir;
  const fs::path model = dir / "other";
  test::write_model_with_other_ids(model);
  const test::ToolResult made =
      test::run(test::bin("anemll_precompute") + " --teacher_model_name_or_path " + model.string() +
                " --dataset_name " + test::golden("datasets/alpaca_40.json").string() +
                " --dataset_format alpaca_chat --max_length 32 --num_sequences 8 --threads 1 --output_dir " +
                (dir / "made").string());
  BOOST_TEST(made.code == 0, made.output);
  Inputs in;
  in.cache = (dir / "made").string();
  expect_failure(command(in, dir / "out"), dir / "out", 3, "another tokenizer's");
  const test::ToolResult forced = test::run(command(in, dir / "out", "--max-steps 1 --force"));
  BOOST_TEST(forced.code == 0, forced.output);
  BOOST_TEST(forced.output.find("another tokenizer's") != std::string::npos, forced.output);
  in.model = model.string();  // the one that it is of
  const test::ToolResult own = test::run(command(in, dir / "own", "--max-steps 1"));
  BOOST_TEST(own.code == 0, own.output);
  BOOST_TEST(own.output.find("tokenizer") == std::string::npos, own.output);

  const std::string cache = (dir / "made").string(), nano = test::golden("nano").string();
  const std::string fitting = test::golden("nano/v2_q2a4_init.pt").string();
  for (const std::string& line :
       {"anemll_eval " + nano + " --no-teacher --cache-dir " + cache,
        "anemll_init --model-id " + nano + " --cache-dir " + cache + " --output " + (dir / "start").string(),
        "anemll_allocate " + nano + " --bits-target 2.5 --cache-dir " + cache + " --output " +
            (dir / "a.json").string(),
        "anemll_calibrate --model-id " + nano + " --cache-dir " + cache + " --output " +
            (dir / "m.h5").string(),
        "anemll_inspect layers " + fitting + " --model-id " + nano + " --cache-dir " + cache,
        "anemll_snap --checkpoint " + fitting + " --model-id " + nano + " --cache-dir " + cache +
            " --output " + (dir / "snap").string()})
    expect_failure(test::bin(line), dir / "start", 3, "another tokenizer's");
}

// A number of ids that no padding explains, where nothing else is known.
BOOST_AUTO_TEST_CASE(cache_of_far_more_ids_is_refused) {
  const test::TempDir dir;
  Inputs in;
  const fs::path cache = damaged_cache(dir, [](const std::string&, anemll::HostTensor&) {});
  std::string meta = test::read_all(cache / "meta.json");
  meta.replace(meta.find("\"vocab_size\": 4096"), 18, "\"vocab_size\": 49152");
  std::ofstream(cache / "meta.json") << meta;
  in.cache = cache.string();
  expect_failure(command(in, dir / "out"), dir / "out", 3, "49152 ids");
  BOOST_TEST(test::run(command(in, dir / "forced", "--max-steps 1 --force")).code == 0);
}

BOOST_AUTO_TEST_CASE(teacher_logit_that_is_nan) {
  const test::TempDir dir;
  Inputs in;
  in.cache = damaged_cache(dir, [](const std::string& name, anemll::HostTensor& tensor) {
               if (name == "topk_logits")
                 reinterpret_cast<std::uint16_t*>(tensor.mutable_bytes())[7000] = 0x7E00;
             }).string();
  expect_failure(command(in, dir / "out"), dir / "out", 3, "topk_logits");
}

BOOST_AUTO_TEST_CASE(candidate_outside_the_vocabulary) {
  const test::TempDir dir;
  Inputs in;
  in.cache = damaged_cache(dir, [](const std::string& name, anemll::HostTensor& tensor) {
               if (name == "topk_idx") reinterpret_cast<std::int32_t*>(tensor.mutable_bytes())[7000] = 4096;
             }).string();
  expect_failure(command(in, dir / "out"), dir / "out", 3, "4096");
}

BOOST_AUTO_TEST_CASE(rank_that_contradicts_the_checkpoint) {
  const test::TempDir dir;
  expect_failure(command({}, dir / "out", "--mlp-rank 16"), dir / "out", 2, "--mlp-rank 16");
}

BOOST_AUTO_TEST_CASE(flags) {
  const test::TempDir dir;
  expect_failure(command({}, dir / "out", "--max-step 3"), dir / "out", 2, "--max-steps");
  expect_failure(command({}, dir / "out", "--batch-size 0"), dir / "out", 2, "--batch-size");
  expect_failure(command({}, dir / "out", "--upload"), dir / "out", 2, "--upload");
  expect_failure(command({}, dir / "out", "--g-only --freeze-mags"), dir / "out", 2, "--freeze-mags");
  expect_failure(test::bin("anemll_train") +
                     " --cache-dir nowhere --from-scratch --model-id nowhere --output-dir " +
                     (dir / "out").string(),
                 dir / "out", 3, "nowhere");
  expect_failure(test::bin("anemll_train") + " --from-scratch", dir / "out", 2, "--cache-dir");
  expect_failure(command({}, dir / "out", "--v1-checkpoint y"), dir / "out", 2,
                 "--v1-checkpoint, --v2-checkpoint");
}

BOOST_AUTO_TEST_CASE(one_rank_that_fails_ends_all) {
  const test::TempDir dir;
  Inputs in;
  in.checkpoint = test::golden("files/pt/truncated.pt").string();
  const auto result = test::run(test::mpirun(2, command(in, dir / "out")));
  BOOST_TEST(result.code == 3, result.output);
  BOOST_TEST(result.output.find("truncated.pt") != std::string::npos, result.output);
}

BOOST_AUTO_TEST_SUITE_END()
