// Sizes of the nano model by hand.
#include "src/eval/model_size.hpp"

#include "tests/support/open_student.hpp"
#include "tests/support/real_models.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

// Hidden 64, 4 heads and 2 KV heads of 32, intermediate 96, 2 layers, 4096 ids, tied.
constexpr double kLayerWeights = 128 * 64 + 2 * 64 * 64 + 64 * 128 + 3 * 96 * 64;
constexpr double kOthers = 4096 * 64 + 2 * (64 + 64 + 32 + 32) + 64;

}  // namespace

BOOST_AUTO_TEST_SUITE(eval_model_size)

BOOST_AUTO_TEST_CASE(a_quantised_model_is_indices_scales_and_tables) {
  const auto file = test::golden("nano/v2_q2a4_trained.pt");
  const Student student = test::open_student(load_model_files(test::golden("nano")), file);
  const ModelSize size = size_of_student(student, file);
  // Attention: 4 bits, rank 8. MLP: 2 bits, rank 32.
  const double attention = 4 * (128 * 64 + 2 * 64 * 64 + 64 * 128) + 4 * 16 * 16 +
                           16 * (2 * ((128 + 64) * 8) + 2 * ((64 + 64) * 8));
  const double mlp = 2 * 3 * 96 * 64 + 3 * 4 * 16 + 16 * 3 * ((96 + 64) * 32);
  BOOST_TEST(size.body_weights == 2 * kLayerWeights);
  BOOST_TEST(size.body_bits == 2 * (attention + mlp));
  BOOST_TEST(size.bits_per_weight() == (attention + mlp) / kLayerWeights);
  BOOST_TEST(size.packed_bytes() == (2 * (attention + mlp) + 16 * kOthers) / 8);
  BOOST_TEST(size.file_bytes == std::filesystem::file_size(file));
}

BOOST_AUTO_TEST_CASE(plain_weights_are_as_they_are_stored) {
  const OpenModel opened = open_model(test::golden("nano"));
  const ModelSize size = size_of_plain(opened, load_model_files(opened));
  BOOST_TEST(size.bits_per_weight() == 16);  // bf16
  BOOST_TEST(size.packed_bytes() == 2 * (2 * kLayerWeights + kOthers));
  BOOST_TEST(size.file_bytes == std::filesystem::file_size(test::golden("nano/model.safetensors")));
}

// What the file holds besides are the tokenizer and the names.
BOOST_AUTO_TEST_CASE(blocks_of_a_gguf_file_count_as_they_are, *test::needs_models({"smollm2.gguf"})) {
  const auto file = test::test_models() / "smollm2.gguf";
  const OpenModel opened = open_model(file);
  const ModelSize size = size_of_plain(opened, load_model_files(opened));
  const auto bytes = static_cast<double>(std::filesystem::file_size(file));
  BOOST_TEST(size.file_bytes == std::filesystem::file_size(file));
  BOOST_TEST(size.packed_bytes() < bytes);
  BOOST_TEST(size.packed_bytes() > 0.95 * bytes);
  BOOST_TEST((size.bits_per_weight() > 2 && size.bits_per_weight() < 9));
}

BOOST_AUTO_TEST_SUITE_END()
