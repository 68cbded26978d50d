// A quantised model as a plain one: the same outputs, the model's own names, each dtype.
#include "src/convert/merge.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/formats/safetensors.hpp"
#include "src/model/torch_bridge.hpp"
#include "tests/support/open_student.hpp"
#include "tests/unit/convert/q4_checkpoint.hpp"

#include <set>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

// Both multiply the same fp32 weights; sums may be in another order.
constexpr double kSameWeights = 1e-5;

Student trained() {
  return open_student(nano_files(), golden("nano/v2_q2a4_trained.pt"));
}

std::string nano_config() {
  return read_text(golden("nano/config.json"));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(merge)

BOOST_AUTO_TEST_CASE(the_merged_folder_computes_what_the_student_computes) {
  const at::NoGradGuard no_grad;
  const TempDir dir;
  Student student = trained();
  student.set_evaluation();
  CastCounts counts;
  write_safetensors(dir / "model.safetensors", merged_tensors(student, DType::f32, counts));
  write_file(dir / "config.json", merged_config(nano_config(), DType::f32, true, "nano"));

  const ModelFiles merged = load_model_files(dir.path());
  Decoder plain(merged, at::kCPU, true);
  const at::Tensor ids = at::arange(24, at::kLong).mul(37).remainder(4096).view({2, 12});
  const at::Tensor expected = student.decoder().logits(student.decoder().hidden(ids, {}));
  const at::Tensor actual = plain.logits(plain.hidden(ids, {}));
  BOOST_TEST((actual - expected).abs().max().item<double>() <
             kSameWeights * expected.abs().max().item<double>());
  // And that is not what the unquantised model computes.
  Decoder base(nano_files(), at::kCPU, true);
  const at::Tensor other = base.logits(base.hidden(ids, {}));
  BOOST_TEST((other - expected).abs().max().item<double>() > 1e-2 * expected.abs().max().item<double>());
}

BOOST_AUTO_TEST_CASE(names_are_the_model_s_and_a_tied_head_is_left_out) {
  const Student student = trained();
  CastCounts counts;
  std::set<std::string> names, expected;
  for (const LazyTensor& tensor : merged_tensors(student, DType::bf16, counts)) names.insert(tensor.name);
  for (const TensorSpec& spec : expected_tensors(nano_files().architecture)) expected.insert(spec.name);
  expected.erase("lm_head.weight");
  BOOST_TEST(names == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(every_dtype_is_one_rounding_of_the_product) {
  const Student student = trained();
  CastCounts counts;
  const auto weight = [&](DType dtype) {
    for (const LazyTensor& tensor : merged_tensors(student, dtype, counts)) {
      BOOST_TEST((tensor.dtype == dtype), tensor.name);
      if (tensor.name != "model.layers.1.mlp.up_proj.weight") continue;
      const HostTensor made = tensor.make();
      BOOST_TEST((made.dtype == dtype && made.shape == tensor.shape));
      return as_torch(made).clone();
    }
    return at::Tensor();
  };
  const at::Tensor wide = weight(DType::f32);
  BOOST_TEST(weight(DType::bf16).equal(wide.to(at::kBFloat16)));
  BOOST_TEST(weight(DType::f16).equal(wide.to(at::kHalf)));
  BOOST_TEST((merged_dtype(MergedType::automatic, nano_files()) == DType::bf16));
  BOOST_TEST((merged_dtype(MergedType::fp16, nano_files()) == DType::f16));
}

BOOST_AUTO_TEST_CASE(config_says_the_dtype_and_stays_otherwise) {
  const auto before = nlohmann::json::parse(nano_config());
  auto after = nlohmann::json::parse(merged_config(nano_config(), DType::f16, true, "nano"));
  BOOST_TEST(after.at("dtype") == "float16");
  after["dtype"] = before.at("dtype");
  // Programs that know no rope_parameters take another theta.
  BOOST_TEST(after.at("rope_theta") == 1000000.0);
  after.erase("rope_theta");
  BOOST_TEST((after == before), after.dump());
  const auto old =
      nlohmann::json::parse(merged_config(R"({"torch_dtype": "bfloat16"})", DType::f32, false, "m"));
  BOOST_TEST(old.at("torch_dtype") == "float32");
  BOOST_TEST(old.at("tie_word_embeddings") == false);
  BOOST_TEST(!old.contains("dtype"));
  BOOST_CHECK_THROW(merged_config("[1]", DType::f32, true, "m"), Error);
  const auto llama3 = nlohmann::json::parse(
      merged_config(R"({"rope_parameters": {"rope_theta": 5.0, "rope_type": "llama3", "factor": 8.0}})",
                    DType::f32, true, "m"));
  BOOST_TEST(llama3.at("rope_theta") == 5.0);
  BOOST_TEST((llama3.at("rope_scaling") == nlohmann::json({{"rope_type", "llama3"}, {"factor", 8.0}})));
}

BOOST_AUTO_TEST_CASE(tokenizer_config_names_a_class_that_older_programs_know) {
  const auto made = nlohmann::json::parse(
      merged_tokenizer_config(R"({"eos_token": "x", "tokenizer_class": "TokenizersBackend"})"));
  BOOST_TEST(made.at("tokenizer_class") == "PreTrainedTokenizerFast");
  BOOST_TEST(made.at("eos_token") == "x");
  for (const std::string other : {R"({"tokenizer_class": "Qwen2Tokenizer"})", "{}", "no json"})
    BOOST_TEST(merged_tokenizer_config(other) == other);
}

BOOST_AUTO_TEST_SUITE_END()
