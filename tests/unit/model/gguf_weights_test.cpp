// Quantised tensors of GGUF files as weights: rounded to halves, or kept as floats, with the scales of their
// matrices.
#include "anemll/core/half.hpp"
#include "tests/unit/model/llama_gguf.hpp"

#include <cstring>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

BOOST_AUTO_TEST_SUITE(model)

BOOST_AUTO_TEST_CASE(quantised_tensors_become_halves) {
  const TempDir folder;
  const ModelFiles llama = llama_folder(folder);
  GgufWriter writer;
  put_architecture(writer, llama.architecture);
  TensorMap expected;
  for (const auto& [name, tensor] : llama.tensors) {
    if (tensor.shape.size() < 2) {
      writer.plain(gguf_tensor_name(name), gguf_layout(llama.architecture, name, tensor));
      continue;
    }
    const auto quantise = [](const HostTensor& t) {
      return as_q8_0(reinterpret_cast<const float*>(t.data), static_cast<std::size_t>(t.numel()));
    };
    writer.tensor(gguf_tensor_name(name), static_cast<std::uint32_t>(GgufType::q8_0), tensor.shape,
                  quantise(gguf_layout(llama.architecture, name, tensor)));
    // Rows are quantised one by one, so their order does not matter to their values.
    const std::string blocks = quantise(tensor);
    std::vector<float> values(static_cast<std::size_t>(tensor.numel()));
    dequantise_blocks(GgufType::q8_0, std::as_bytes(std::span(blocks)), values);
    HostTensor half = HostTensor::zeros(DType::f16, tensor.shape);
    float_to_half(values, {reinterpret_cast<std::uint16_t*>(half.mutable_bytes()), values.size()});
    expected.set(name, std::move(half));
  }
  writer.write(folder / "q8.gguf");
  const ModelFiles gguf = load_model_files(folder / "q8.gguf");
  for (const auto& [name, tensor] : expected) {
    const HostTensor* got = gguf.tensors.find(name);
    BOOST_REQUIRE_MESSAGE(got != nullptr && got->describe() == tensor.describe(), name);
    BOOST_CHECK_MESSAGE(std::memcmp(got->data, tensor.data, tensor.bytes()) == 0, name);
  }
  BOOST_CHECK_EQUAL(gguf.tensors.find("model.norm.weight")->describe(), "float32[64]");
  BOOST_CHECK(gguf.fingerprint != llama.fingerprint);
  BOOST_CHECK_EQUAL(gguf.fingerprint, load_model_files(folder / "q8.gguf").fingerprint);
}

BOOST_AUTO_TEST_CASE(values_beyond_the_half_range_stay_floats) {
  const TempDir folder;
  const ModelFiles llama = llama_folder(folder);
  for (const bool finite : {true, false}) {
    GgufWriter writer;
    put_architecture(writer, llama.architecture);
    for (const auto& [name, tensor] : llama.tensors) {
      const HostTensor stored = gguf_layout(llama.architecture, name, tensor);
      if (name != "model.layers.1.self_attn.q_proj.weight") {
        writer.plain(gguf_tensor_name(name), stored);
        continue;
      }
      std::string blocks =
          as_q8_0(reinterpret_cast<const float*>(stored.data), static_cast<std::size_t>(stored.numel()));
      // Row 2 of the file is row 1 of the folder (heads of 16): scale 1000 times 100, or an infinite scale.
      const std::uint16_t scale = float_to_half(finite ? 1000.0F : std::numeric_limits<float>::infinity());
      std::memcpy(blocks.data() + std::ptrdiff_t{2} * 2 * 34, &scale, sizeof(scale));
      blocks[2 * 2 * 34 + 2] = 100;
      writer.tensor(gguf_tensor_name(name), static_cast<std::uint32_t>(GgufType::q8_0), stored.shape, blocks);
    }
    writer.write(folder / "large.gguf");
    if (!finite) {
      check_data_error([&] { load_model_files(folder / "large.gguf"); }, "large.gguf", "blk.1.attn_q.weight");
      continue;
    }
    const ModelFiles gguf = load_model_files(folder / "large.gguf");
    const HostTensor* tensor = gguf.tensors.find("model.layers.1.self_attn.q_proj.weight");
    BOOST_CHECK_EQUAL(tensor->describe(), "float32[64, 64]");
    BOOST_CHECK_EQUAL(reinterpret_cast<const float*>(tensor->data)[64], 100000.0F);
  }
}

// As llama.cpp's own models of other families have them: q, k and v as rows of one matrix and one bias.
BOOST_AUTO_TEST_CASE(fused_queries_keys_and_values_of_a_gguf_are_split) {
  const TempDir folder;
  const ModelFiles llama = llama_folder(folder);
  for (const bool blocks : {false, true}) {
    GgufWriter apart, fused;
    for (GgufWriter* writer : {&apart, &fused}) put_architecture(*writer, llama.architecture);
    const auto put = [&](GgufWriter& writer, const std::string& name, const std::vector<std::int64_t>& shape,
                         const std::string& bytes) {
      const bool packed = blocks && shape.size() == 2;
      const auto count = bytes.size() / sizeof(float);
      writer.tensor(name, static_cast<std::uint32_t>(packed ? GgufType::q8_0 : GgufType::f32), shape,
                    packed ? as_q8_0(reinterpret_cast<const float*>(bytes.data()), count) : bytes);
    };
    struct Whole {
      std::vector<std::int64_t> shape{0};
      std::string bytes;
    };
    std::map<std::string, Whole> wholes;
    for (const char* part : {"q_proj", "k_proj", "v_proj"}) {
      for (const auto& [name, tensor] : llama.tensors) {
        if (name.find(part) == std::string::npos) continue;
        const HostTensor stored = gguf_layout(llama.architecture, name, tensor);
        std::string to = gguf_tensor_name(name);
        to.replace(to.find("attn_") + 5, 1, "qkv");
        Whole& whole = wholes[to];
        const std::int64_t rows = whole.shape.front() + stored.shape.front();
        whole.shape = stored.shape;
        whole.shape.front() = rows;
        whole.bytes.append(reinterpret_cast<const char*>(stored.data), stored.bytes());
      }
    }
    BOOST_CHECK_EQUAL(wholes.size(), 4U);  // a weight and a bias for each of two layers
    for (const auto& [name, whole] : wholes) put(fused, name, whole.shape, whole.bytes);
    for (const auto& [name, tensor] : llama.tensors) {
      const HostTensor stored = gguf_layout(llama.architecture, name, tensor);
      const std::string bytes(reinterpret_cast<const char*>(stored.data), stored.bytes());
      put(apart, gguf_tensor_name(name), stored.shape, bytes);
      const bool joined = name.find(".q_proj") != std::string::npos ||
                          name.find(".k_proj") != std::string::npos ||
                          name.find(".v_proj") != std::string::npos;
      if (!joined) put(fused, gguf_tensor_name(name), stored.shape, bytes);
    }
    apart.write(folder / "apart.gguf");
    fused.write(folder / "fused.gguf");
    BOOST_CHECK_EQUAL(load_model_files(folder / "fused.gguf").fingerprint,
                      load_model_files(folder / "apart.gguf").fingerprint);
  }
}

BOOST_AUTO_TEST_CASE(a_matrix_of_a_gguf_may_have_a_scale_of_its_own) {
  const TempDir folder;
  const ModelFiles llama = llama_folder(folder);
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  const HostTensor& up = *llama.tensors.find(name);
  const std::string blocks(static_cast<std::size_t>(up.numel()) / 64 * 36, '\x39');
  const auto load_with = [&](const HostTensor& scale) {
    GgufWriter writer;
    put_architecture(writer, llama.architecture);
    for (const auto& [own, tensor] : llama.tensors) {
      if (own != name) writer.plain(gguf_tensor_name(own), gguf_layout(llama.architecture, own, tensor));
    }
    writer.tensor(gguf_tensor_name(name), static_cast<std::uint32_t>(GgufType::nvfp4), up.shape, blocks);
    writer.plain("blk.1.ffn_up.scale", scale)
        .plain("blk.1.ffn_up.input_scale", ones(1))
        .write(folder / "m.gguf");
    return load_model_files(folder / "m.gguf");
  };
  HostTensor quarter = ones(1);
  const float value = 0.25F;
  std::memcpy(quarter.mutable_bytes(), &value, sizeof(value));
  std::vector<float> expected(static_cast<std::size_t>(up.numel()));
  dequantise_blocks(GgufType::nvfp4, std::as_bytes(std::span(blocks)), expected);
  const ModelFiles files = load_with(quarter);
  const HostTensor* got = files.tensors.find(name);
  BOOST_REQUIRE_EQUAL(got->describe(), "float16[96, 64]");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    std::uint16_t half;
    std::memcpy(&half, got->data + 2 * i, sizeof(half));
    BOOST_REQUIRE_EQUAL(half_to_float(half), 0.25F * expected[i]);  // few bits: exact
  }
  BOOST_CHECK_EQUAL(files.inventory.count(Fate::left_out), 1);
  check_data_error([&] { load_with(ones(2)); }, "m.gguf", "blk.1.ffn_up.scale");
}

BOOST_AUTO_TEST_SUITE_END()
