// A model with biases on q, k and v from its text to a snapped file: teacher's pass, training from scratch,
// stopped and resumed, from a checkpoint, and the snap.
#include "anemll/formats/safetensors.hpp"
#include "anemll/formats/torch_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

/// The model with the tokenizer of the other nano model, which has as many ids.
void make_model(const fs::path& folder) {
  fs::create_directories(folder);
  for (const char* name : {"config.json", "model.safetensors"})
    fs::copy_file(test::golden("qwen2_nano") / name, folder / name);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"})
    fs::copy_file(test::golden("nano") / name, folder / name);
}

std::string run_well(const std::string& command) {
  const test::ToolResult result = test::run(command);
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  return result.output;
}

/// Without a warning, as of every model that is known.
void run_quietly(const std::string& command) {
  const std::string output = run_well(command);
  BOOST_TEST(output.find("warning") == std::string::npos, output);
}

fs::path last_state_dict(const fs::path& folder) {
  fs::path last;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().find("_fp32_") != std::string::npos) last = entry.path();
  }
  return last;
}

/// The six biases of the checkpoint are the model's.
void check_biases(const anemll::TensorMap& state) {
  const auto model = anemll::read_safetensors(test::golden("qwen2_nano/model.safetensors"));
  int biases = 0;
  for (const auto& [name, tensor] : state) {
    if (!name.ends_with(".bias")) continue;
    ++biases;
    const anemll::HostTensor* original = model.tensors.find(name);
    BOOST_REQUIRE_MESSAGE(original != nullptr && original->shape == tensor.shape, name);
    BOOST_REQUIRE(tensor.dtype == anemll::DType::f32);
    for (std::int64_t i = 0; i < tensor.numel(); ++i) {
      std::uint16_t narrow = 0;
      std::uint32_t wide = 0;
      std::memcpy(&narrow, original->data + 2 * i, 2);
      std::memcpy(&wide, tensor.data + 4 * i, 4);
      BOOST_REQUIRE_EQUAL(wide, static_cast<std::uint32_t>(narrow) << 16);  // bf16
    }
  }
  BOOST_TEST(biases == 6);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(qwen2)

BOOST_AUTO_TEST_CASE(from_text_to_a_snapped_file) {
  const test::TempDir temp;
  const fs::path model = temp / "model", cache = temp / "cache";
  make_model(model);
  run_quietly(
      test::bin("anemll_precompute") + " --teacher_model_name_or_path " + model.string() + " --output_dir " +
      cache.string() + " --dataset_name " + test::golden("datasets/alpaca_40.json").string() +
      " --dataset_format alpaca_chat --max_length 32 --topk 16 --holdout 0 --num_sequences 16 --batch_size 4 "
      "--shard_size 8 --dtype fp32 --threads 1");
  const std::string train =
      test::bin("anemll_train") + " --model-id " + model.string() + " --cache-dir " + cache.string() +
      " --batch-size 4 --eval-samples 8 --group-size 2 --logging-steps 2 --warmup-steps 1"
      " --lr 1e-3 --precision fp32 --threads 1 --save-steps 2 --output-dir ";
  const fs::path scratch = temp / "scratch", resumed = temp / "resumed";
  run_quietly(train + scratch.string() + " --from-scratch --max-steps 4");
  const auto rows = test::read_csv(scratch / "training_log.csv");
  BOOST_TEST(std::stod(rows.back().eval) < std::stod(rows.front().eval));
  const fs::path trained = last_state_dict(scratch);
  check_biases(anemll::read_state_dict(trained));

  // The native state carries the biases too: the second half again, from the state in the middle.
  fs::copy(scratch, resumed, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  fs::remove(last_state_dict(resumed));
  for (const char* later : {"step_00000004", "latest"})
    fs::remove_all(resumed / (std::string("state/") + later));
  const std::string rest = run_well(train + resumed.string() + " --from-scratch --max-steps 4 --resume auto");
  BOOST_TEST(rest.find("at step 2 of 4") != std::string::npos, rest);
  const anemll::TensorMap whole = anemll::read_state_dict(trained);
  for (const auto& [name, tensor] : anemll::read_state_dict(last_state_dict(resumed))) {
    const anemll::HostTensor* other = whole.find(name);
    BOOST_REQUIRE_MESSAGE(other != nullptr && other->bytes() == tensor.bytes(), name);
    BOOST_TEST(std::memcmp(other->data, tensor.data, tensor.bytes()) == 0, name);
  }

  const fs::path again = temp / "again";
  run_well(train + again.string() + " --max-steps 2 --v2-checkpoint " + trained.string());
  check_biases(anemll::read_state_dict(last_state_dict(again)));

  run_quietly(test::bin("anemll_snap") + " --checkpoint " + trained.string() + " --model-id " +
              model.string() + " --cache-dir " + cache.string() + " --samples 8 --fp16 --output " +
              (temp / "snap").string());
  const auto report = nlohmann::json::parse(test::read_all(temp / "snap" / "snap_report.json"));
  BOOST_TEST(report["gate"]["passed"] == true);
  BOOST_TEST(anemll::read_state_dict(temp / "snap" / "model_state_dict.pt")
                 .contains("model.layers.1.self_attn.v_proj.bias"));
}

BOOST_AUTO_TEST_SUITE_END()
