// Who a model is: the same in every container, another with any other value; and models that are opened once.
#include "src/model/internal/value_digest.hpp"
#include "tests/support/gguf_model.hpp"
#include "tests/unit/model/model_folder.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

// Both were computed from the files by another program; the first one is what earlier versions wrote.
constexpr const char* kNano = "2:19c988f69b3e166fd4398324bd1895e905c8b438e3c1a08a1d171bdbc1b1673e";
constexpr const char* kNanoFirst = "af23e12fba73dcabf545393a56df3c2ee7c4910b264100e9f012b0d07ef82a5b";

TensorMap nano_tensors() {
  return read_safetensors(golden("nano/model.safetensors")).tensors;
}

HostTensor copy_of(const HostTensor& tensor) {
  HostTensor out = HostTensor::zeros(tensor.dtype, tensor.shape);
  std::memcpy(out.mutable_bytes(), tensor.data, tensor.bytes());
  return out;
}

/// BF16 values as F32: a shift.
HostTensor widened(const HostTensor& tensor) {
  HostTensor out = HostTensor::zeros(DType::f32, tensor.shape);
  for (std::int64_t i = 0; i < tensor.numel(); ++i)
    std::memcpy(out.mutable_bytes() + i * 4 + 2, tensor.data + i * 2, 2);
  return out;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  BOOST_REQUIRE_MESSAGE(at != std::string::npos, from);
  return text.replace(at, from.size(), to);
}

std::string nano_config() {
  return read_text(golden("nano/config.json"));
}

ModelFiles load(const TensorMap& tensors, const std::string& config = nano_config()) {
  const TempDir folder;
  write_file(folder / "config.json", config);
  write_tensors(folder / "model.safetensors", tensors);
  return load_model_files(folder.path());
}

/// As converters write it: BF16, but one-dimensional tensors in F32.
void write_nano_gguf(const std::filesystem::path& path) {
  const ModelFiles nano = load_model_files(golden("nano"));
  TensorMap tensors;
  for (const auto& [name, tensor] : nano.tensors)
    tensors.set(name, tensor.shape.size() == 1 ? widened(tensor) : tensor);
  GgufWriter writer;
  put_tensors(put_architecture(writer, nano.architecture), nano.architecture, tensors).write(path);
}

/// `count` finite values, of which every bit but those of the exponent is random.
HostTensor random_tensor(DType dtype, std::int64_t count) {
  std::mt19937 engine(7);
  HostTensor out = HostTensor::zeros(dtype, {count});
  for (std::int64_t i = 0; i < count; ++i) {
    const auto bits = static_cast<std::uint32_t>(engine());
    if (dtype == DType::f32) {
      const std::uint32_t value = (bits & 0x80ffffffU) | 0x3e000000U;
      std::memcpy(out.mutable_bytes() + i * 4, &value, 4);
    } else {
      const auto value = static_cast<std::uint16_t>(bits & (dtype == DType::f16 ? 0xbbffU : 0xbf7fU));
      std::memcpy(out.mutable_bytes() + i * 2, &value, 2);
    }
  }
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(fingerprints)

BOOST_AUTO_TEST_CASE(a_fingerprint_is_of_the_tensors_and_not_of_their_container) {
  const ModelFiles nano = load_model_files(golden("nano"));
  BOOST_TEST(nano.fingerprint == kNano);
  BOOST_TEST(nano.first_fingerprint == kNanoFirst);

  const TempDir folder;
  write_nano_gguf(folder / "nano.gguf");
  const ModelFiles gguf = load_model_files(folder / "nano.gguf");
  BOOST_TEST(gguf.fingerprint == kNano);
  BOOST_TEST(gguf.first_fingerprint != kNanoFirst);

  std::filesystem::create_directories(folder / "shards");
  write_file(folder / "shards/config.json", nano_config());
  std::array<TensorMap, 2> parts;
  std::string index;
  std::size_t i = 0;
  for (const auto& [name, tensor] : nano_tensors()) {
    const std::size_t part = i++ % 2;
    parts[part].set(name, tensor);
    index += (index.empty() ? "\"" : ", \"") + name + "\": \"part" + std::to_string(part) + ".safetensors\"";
  }
  for (const std::size_t part : {0U, 1U})
    write_tensors(folder / ("shards/part" + std::to_string(part) + ".safetensors"), parts[part]);
  write_file(folder / "shards/model.safetensors.index.json", "{\"weight_map\": {" + index + "}}");
  BOOST_TEST(load_model_files(folder / "shards").fingerprint == kNano);

  TensorMap wide;
  for (const auto& [name, tensor] : nano_tensors()) wide.set(name, widened(tensor));
  wide.set("lm_head.weight", *wide.find("model.embed_tokens.weight"));
  BOOST_TEST(load(wide).fingerprint == kNano);

  // What config.json says of other things, and how.
  std::string config = replaced(nano_config(), "\"transformers_version\": \"5.12.1\"",
                                "\"transformers_version\":  \"5.13.0\"");
  config = replaced(config, "\"max_position_embeddings\": 512", "\"max_position_embeddings\": 1024");
  const ModelFiles described = load(nano_tensors(), config);
  BOOST_TEST(described.fingerprint == kNano);
  BOOST_TEST(described.first_fingerprint != kNanoFirst);
}

BOOST_AUTO_TEST_CASE(a_byte_in_the_middle_of_any_tensor_makes_another_model) {
  std::set<std::string> seen{kNano};
  std::size_t unnoticed_before = 0;
  const TensorMap tensors = nano_tensors();
  for (const auto& [name, tensor] : tensors) {
    TensorMap changed = tensors;
    HostTensor flipped = copy_of(tensor);
    std::byte& low = flipped.mutable_bytes()[flipped.bytes() / 4 * 2];  // of a value: little-endian
    low ^= std::byte{1};
    changed.set(name, flipped);
    const ModelFiles files = load(changed);
    BOOST_TEST(seen.insert(files.fingerprint).second, name);
    unnoticed_before += files.first_fingerprint == kNanoFirst ? 1U : 0U;
  }
  BOOST_TEST(seen.size() == tensors.size() + 1);
  BOOST_TEST(unnoticed_before > 0U);  // why there is a second rule
}

BOOST_AUTO_TEST_CASE(another_computation_makes_another_model) {
  for (const auto& [from, to] :
       {std::pair{"\"rope_theta\": 1000000.0", "\"rope_theta\": 10000.0"},
        std::pair{"\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": 1e-05"},
        std::pair{"\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu_pytorch_tanh\""}}) {
    BOOST_TEST(load(nano_tensors(), replaced(nano_config(), from, to)).fingerprint != kNano, from);
  }
}

BOOST_AUTO_TEST_CASE(a_recorded_fingerprint_is_compared_by_its_own_rule) {
  const ModelFiles nano = load_model_files(golden("nano"));
  BOOST_TEST(nano.is(kNano));
  BOOST_TEST(nano.is(kNanoFirst));
  BOOST_TEST(!nano.is(""));
  BOOST_TEST(!nano.is(std::string(kNano).substr(2)));
  BOOST_TEST(!nano.is("2:" + std::string(kNanoFirst)));
  BOOST_TEST(!nano.is(std::string(64, 'a')));
  BOOST_TEST(!ModelFiles().is(""));
}

BOOST_AUTO_TEST_CASE(a_digest_is_of_values_and_of_each_of_them) {
  constexpr std::int64_t kCount = (std::int64_t{1} << 19) + 4096 + 37;  // two chunks, no whole row at the end
  for (const DType dtype : {DType::bf16, DType::f16, DType::f32}) {
    HostTensor tensor = random_tensor(dtype, kCount);
    const ValueDigest whole = digest_values(tensor);
    BOOST_TEST(whole.finite);
    const std::size_t size = size_of(dtype);
    for (const std::int64_t i :
         {std::int64_t{0}, std::int64_t{1}, std::int64_t{31}, std::int64_t{4095}, std::int64_t{4096},
          (std::int64_t{1} << 19) - 1, std::int64_t{1} << 19, kCount - 1}) {
      std::byte& low = tensor.mutable_bytes()[static_cast<std::size_t>(i) * size];
      low ^= std::byte{1};
      BOOST_TEST((digest_values(tensor).sha256 != whole.sha256), i);
      low ^= std::byte{1};
      std::byte& sign = tensor.mutable_bytes()[static_cast<std::size_t>(i) * size + size - 1];
      sign ^= std::byte{0x80};
      BOOST_TEST((digest_values(tensor).sha256 != whole.sha256), i);
      sign ^= std::byte{0x80};
    }
    // Unaligned, as views of a file may be.
    std::vector<std::byte> bytes(tensor.bytes() + 1);
    std::memcpy(bytes.data() + 1, tensor.data, tensor.bytes());
    HostTensor view = tensor;
    view.data = bytes.data() + 1;
    BOOST_TEST((digest_values(view).sha256 == whole.sha256));
  }
  const HostTensor narrow = random_tensor(DType::bf16, 1000);
  BOOST_TEST((digest_values(narrow).sha256 == digest_values(widened(narrow)).sha256));
  const HostTensor half = random_tensor(DType::f16, 1000);
  HostTensor as_float = HostTensor::zeros(DType::f32, half.shape);
  for (std::size_t i = 0; i < 1000; ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, half.data + i * sizeof bits, sizeof bits);
    const float value = half_to_float(bits);
    std::memcpy(as_float.mutable_bytes() + i * sizeof value, &value, sizeof value);
  }
  BOOST_TEST((digest_values(half).sha256 == digest_values(as_float).sha256));
  BOOST_TEST((digest_values(half).sha256 != digest_values(narrow).sha256));
}

BOOST_AUTO_TEST_CASE(values_that_are_not_numbers_are_seen) {
  constexpr std::int64_t kCount = 5000;
  for (const auto& [dtype, bits] : {std::pair{DType::bf16, 0x7f80U}, std::pair{DType::bf16, 0xffc0U},
                                    std::pair{DType::f16, 0x7c00U}, std::pair{DType::f16, 0xfe00U},
                                    std::pair{DType::f32, 0x7f800000U}, std::pair{DType::f32, 0x7f800001U}}) {
    for (const std::int64_t i : {std::int64_t{0}, kCount - 1}) {
      HostTensor tensor = random_tensor(dtype, kCount);
      const std::size_t size = size_of(dtype);
      std::memcpy(tensor.mutable_bytes() + static_cast<std::size_t>(i) * size, &bits, size);
      BOOST_TEST(!digest_values(tensor).finite, bits);
    }
  }
  for (const auto& [dtype, bits] : {std::pair{DType::bf16, 0x7f7fU}, std::pair{DType::f16, 0xfbffU},
                                    std::pair{DType::f32, 0x7f7fffffU}}) {
    HostTensor tensor = random_tensor(dtype, kCount);
    std::memcpy(tensor.mutable_bytes(), &bits, size_of(dtype));
    BOOST_TEST(digest_values(tensor).finite, bits);
  }
}

BOOST_AUTO_TEST_CASE(a_gguf_that_is_open_is_not_opened_again) {
  const TempDir folder;
  const std::filesystem::path file = folder / "nano.gguf";
  write_nano_gguf(file);
  const OpenModel opened = open_model(file);
  std::filesystem::rename(file, folder / "elsewhere.gguf");
  check_data_error([&] { open_model(file); }, "nano.gguf", "cannot open");
  const ModelFiles files = load_model_files(opened);
  BOOST_TEST(files.fingerprint == kNano);
  BOOST_CHECK(files.folder == file);
  BOOST_TEST(files.architecture.layer_count() == 2);
}

BOOST_AUTO_TEST_CASE(a_config_that_is_open_is_not_read_again) {
  const TempDir folder;
  write_file(folder / "config.json", nano_config());
  write_tensors(folder / "model.safetensors", nano_tensors());
  const OpenModel opened = open_model(folder.path());
  BOOST_CHECK(opened.gguf == nullptr);
  write_file(folder / "config.json", "{}");
  const ModelFiles files = load_model_files(opened);
  BOOST_TEST(files.fingerprint == kNano);
  BOOST_TEST(files.first_fingerprint == kNanoFirst);
}

BOOST_AUTO_TEST_SUITE_END()
