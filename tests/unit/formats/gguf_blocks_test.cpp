// GGUF: block values against those of the Python package, bit for bit.
#include "anemll/core/file.hpp"
#include "anemll/formats/gguf.hpp"
#include "anemll/formats/safetensors.hpp"
#include "src/core/hash.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/memory_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/formats/tensors.hpp"

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

GgufFile read(const std::string& bytes) {
  const MemoryFile file(bytes);
  return read_gguf(file.path());
}

/// Every type that is read.
std::vector<GgufType> all_types() {
  std::vector<GgufType> types;
  for (std::uint32_t number = 0; number < 256; ++number) {
    if (const auto type = known_gguf_type(number)) types.push_back(*type);
  }
  return types;
}
bool plain(GgufType type) {
  return block_of(type).values == 1;
}

/// The bytes that the golden digests were made of: splitmix64 from a seed.
std::string random_bytes(std::uint64_t seed, std::size_t count) {
  std::string out;
  while (out.size() < count) {
    seed += 0x9e3779b97f4a7c15U;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    GgufWriter::put(out, z ^ (z >> 31));
  }
  out.resize(count);
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(Formats)

BOOST_AUTO_TEST_CASE(gguf_blocks_equal_the_python_package) {
  const SafetensorsFile blocks = read_safetensors(golden("formats/gguf_blocks.safetensors"));
  std::size_t compared = 0;
  for (const GgufType type : all_types()) {
    BOOST_TEST_CONTEXT(name_of(type)) {
      if (plain(type) && type != GgufType::bf16) continue;
      const HostTensor* raw = blocks.tensors.find(name_of(type) + ".raw");
      const HostTensor* expected = blocks.tensors.find(name_of(type) + ".f32");
      BOOST_REQUIRE(raw != nullptr && expected != nullptr);
      std::vector<float> values(static_cast<std::size_t>(expected->numel()));
      dequantise_blocks(type, {raw->data, raw->bytes()}, values);
      BOOST_TEST(std::memcmp(values.data(), expected->data, expected->bytes()) == 0);

      // The same bytes as a tensor of a file.
      GgufWriter writer;
      writer.tensor("t", static_cast<std::uint32_t>(type), expected->shape,
                    {reinterpret_cast<const char*>(raw->data), raw->bytes()});
      const GgufFile file = read(writer.bytes());
      const HostTensor tensor = dequantise(file, *file.tensor("t"));
      BOOST_TEST(tensor.shape == expected->shape);
      BOOST_TEST((tensor.dtype == (type == GgufType::bf16 ? DType::bf16 : DType::f32)));
      if (type != GgufType::bf16) BOOST_TEST(same_bits(tensor, *expected));
      ++compared;
    }
  }
  BOOST_TEST(compared * 2 == blocks.tensors.size());
}

// Enough random blocks that every point of every grid occurs: 2048 blocks are 65536 draws of 2048 points.
BOOST_AUTO_TEST_CASE(gguf_blocks_of_every_code_equal_the_python_package) {
  const nlohmann::json golden_digests = nlohmann::json::parse(read_text(golden("formats/gguf_digests.json")));
  const auto blocks = golden_digests.at("blocks").get<std::size_t>();
  std::size_t compared = 0;
  for (const GgufType type : all_types()) {
    if (plain(type)) continue;
    BOOST_TEST_CONTEXT(name_of(type)) {
      const nlohmann::json& row = golden_digests.at("types").at(name_of(type));
      const auto bytes = static_cast<std::size_t>(block_of(type).bytes);
      std::string raw = random_bytes(static_cast<std::uint64_t>(type), blocks * bytes);
      // Half-precision numbers below 2: neither infinite nor a not-a-number.
      for (const std::size_t at : row.at("halves")) {
        for (std::size_t block = 0; block < blocks; ++block) raw[block * bytes + at + 1] &= '\xbf';
      }
      std::vector<float> values(blocks * static_cast<std::size_t>(block_of(type).values));
      dequantise_blocks(type, std::as_bytes(std::span(raw)), values);
      BOOST_TEST(sha256_hex(std::as_bytes(std::span(values))) == row.at("sha256").get<std::string>());
      ++compared;
    }
  }
  BOOST_TEST(compared == golden_digests.at("types").size());
}

BOOST_AUTO_TEST_CASE(gguf_doubles_become_floats) {
  std::string bytes;
  for (const double value : {1.0, -0.1, 1e-300}) GgufWriter::put(bytes, value);
  const GgufFile file = read(GgufWriter().tensor("t", 28, {3}, bytes).bytes());
  const HostTensor got = dequantise(file, *file.tensor("t"));
  const float expected[] = {1.0F, -0.1F, 0.0F};
  BOOST_REQUIRE((got.dtype == DType::f32));
  BOOST_TEST(std::memcmp(got.data, expected, sizeof(expected)) == 0);
}

BOOST_AUTO_TEST_SUITE_END()
