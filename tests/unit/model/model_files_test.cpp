// Model folders: one file or shards, every float type, heads present or not, and damaged ones.
#include "anemll/model/model_files.hpp"

#include "tests/unit/model/model_folder.hpp"

#include <cstring>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

TensorMap nano_tensors() {
  return read_safetensors(golden("nano/model.safetensors")).tensors;
}

void copy_config(const TempDir& folder) {
  std::filesystem::copy_file(golden("nano/config.json"), folder / "config.json");
}

/// A copy in a wider type, filled with the same values (bf16 to fp32 is a shift).
HostTensor widened(const HostTensor& tensor) {
  HostTensor out = HostTensor::zeros(DType::f32, tensor.shape);
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    std::memcpy(out.mutable_bytes() + i * 4 + 2, tensor.data + i * 2, 2);
  }
  return out;
}

ModelFiles load_changed(const std::function<void(TensorMap&)>& change) {
  const TempDir folder;
  copy_config(folder);
  TensorMap tensors = nano_tensors();
  change(tensors);
  write_tensors(folder / "model.safetensors", tensors);
  return load_model_files(folder.path());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model)

BOOST_AUTO_TEST_CASE(a_single_file_with_a_tied_head) {
  const ModelFiles files = load_model_files(golden("nano"));
  const HostTensor* head = files.tensors.find("lm_head.weight");
  const HostTensor* embedding = files.tensors.find("model.embed_tokens.weight");
  BOOST_REQUIRE(head != nullptr && embedding != nullptr);
  BOOST_CHECK_EQUAL(head->data, embedding->data);
  BOOST_CHECK_EQUAL(files.fingerprint.size(), 64U);
  BOOST_CHECK_EQUAL(files.fingerprint, load_model_files(golden("nano")).fingerprint);
}

BOOST_AUTO_TEST_CASE(released_pages_come_back_unchanged) {
  const ModelFiles files = load_model_files(golden("nano"));
  BOOST_REQUIRE_EQUAL(files.maps.size(), 1U);
  files.release_pages();
  for (const auto& [name, tensor] : nano_tensors()) {
    BOOST_CHECK_EQUAL(std::memcmp(files.tensors.find(name)->data, tensor.data, tensor.bytes()), 0);
  }
}

BOOST_AUTO_TEST_CASE(a_tied_file_that_carries_its_head_uses_the_embedding) {
  const ModelFiles files = load_changed([](TensorMap& t) {
    t.set("lm_head.weight", HostTensor::zeros(DType::bf16, {4096, 64}));
    t.set("model.layers.0.self_attn.rotary_emb.inv_freq", HostTensor::zeros(DType::f32, {16}));
  });
  BOOST_CHECK_EQUAL(files.tensors.find("lm_head.weight")->data,
                    files.tensors.find("model.embed_tokens.weight")->data);
  BOOST_CHECK(!files.tensors.contains("model.layers.0.self_attn.rotary_emb.inv_freq"));
}

BOOST_AUTO_TEST_CASE(other_weights_have_another_fingerprint) {
  const ModelFiles files =
      load_changed([](TensorMap& t) { t.set("model.norm.weight", HostTensor::zeros(DType::bf16, {64})); });
  BOOST_CHECK_NE(files.fingerprint, load_model_files(golden("nano")).fingerprint);
}

BOOST_AUTO_TEST_CASE(float_types_may_be_mixed) {
  const ModelFiles files = load_changed([](TensorMap& t) {
    t.set("model.norm.weight", widened(*t.find("model.norm.weight")));
    t.set("model.layers.0.mlp.up_proj.weight", HostTensor::zeros(DType::f16, {96, 64}));
  });
  BOOST_CHECK(files.tensors.find("model.norm.weight")->dtype == DType::f32);
  BOOST_CHECK(files.tensors.find("model.layers.0.mlp.up_proj.weight")->dtype == DType::f16);
}

BOOST_AUTO_TEST_CASE(shards_are_found_through_the_index) {
  const TempDir folder;
  copy_config(folder);
  TensorMap parts[2];
  std::string index;
  std::size_t i = 0;
  for (const auto& [name, tensor] : nano_tensors()) {
    const std::size_t part = i++ % 2;
    parts[part].set(name, tensor);
    index += (index.empty() ? "\"" : ", \"") + name + "\": \"part" + std::to_string(part) + ".safetensors\"";
  }
  write_tensors(folder / "part0.safetensors", parts[0]);
  write_tensors(folder / "part1.safetensors", parts[1]);
  const auto write_index = [&](const std::string& map) {
    write_file(folder / "model.safetensors.index.json", "{\"metadata\": {}, \"weight_map\": {" + map + "}}");
  };
  write_index(index);
  const ModelFiles files = load_model_files(folder.path());
  const TensorMap whole = nano_tensors();
  for (const auto& [name, tensor] : whole) {
    const HostTensor* loaded = files.tensors.find(name);
    BOOST_REQUIRE(loaded != nullptr && loaded->bytes() == tensor.bytes());
    BOOST_CHECK_EQUAL(std::memcmp(loaded->data, tensor.data, tensor.bytes()), 0);
  }

  const auto load = [&] { load_model_files(folder.path()); };
  write_index("\"model.norm.weight\": \"../part0.safetensors\"");
  check_data_error(load, "weight_map.model.norm.weight", "file in this folder");
  write_index("\"model.norm.weight\": 3");
  check_data_error(load, "weight_map.model.norm.weight", "file in this folder");
  write_index("\"no.such.tensor\": \"part0.safetensors\"");
  check_data_error(load, "part0.safetensors", "no.such.tensor");
  write_index(index);
  std::filesystem::remove(folder / "part1.safetensors");
  check_data_error(load, "model.safetensors.index.json", "part1.safetensors");
  write_file(folder / "model.safetensors.index.json", "{\"metadata\": {}}");
  check_data_error(load, "weight_map", "not an object");
}

BOOST_AUTO_TEST_CASE(unfitting_tensors_are_named) {
  check_data_error([] { load_changed([](TensorMap& t) { t.erase("model.layers.1.mlp.up_proj.weight"); }); },
                   "", "model.layers.1.mlp.up_proj.weight is missing");
  check_data_error(
      [] {
        load_changed([](TensorMap& t) { t.set("model.norm.weight", HostTensor::zeros(DType::bf16, {63})); });
      },
      "model.safetensors", "bfloat16[63]");
  check_data_error(
      [] {
        load_changed([](TensorMap& t) { t.set("model.norm.weight", HostTensor::zeros(DType::i32, {64})); });
      },
      "model.safetensors", "int32");
}

BOOST_AUTO_TEST_CASE(an_untied_model_needs_its_head) {
  const TempDir folder;
  std::string config = read_text(golden("nano/config.json"));
  const std::string tied = "\"tie_word_embeddings\": true";
  config.replace(config.find(tied), tied.size(), "\"tie_word_embeddings\": false");
  write_file(folder / "config.json", config);
  TensorMap tensors = nano_tensors();
  write_tensors(folder / "model.safetensors", tensors);
  check_data_error([&] { load_model_files(folder.path()); }, folder.path().string(),
                   "lm_head.weight is missing");
  tensors.set("lm_head.weight", HostTensor::zeros(DType::f16, {4096, 64}));
  write_tensors(folder / "model.safetensors", tensors);
  const ModelFiles files = load_model_files(folder.path());
  BOOST_CHECK(files.tensors.find("lm_head.weight")->dtype == DType::f16);
}

BOOST_AUTO_TEST_CASE(folders_without_weights_and_truncated_files_are_refused) {
  const TempDir folder;
  copy_config(folder);
  const auto load = [&] { load_model_files(folder.path()); };
  check_data_error(load, folder.path().string(), "no weights");
  const std::string bytes = read_text(golden("nano/model.safetensors"));
  write_file(folder / "model.safetensors", bytes.substr(0, bytes.size() / 2));
  check_data_error(load, "model.safetensors", "");
}

BOOST_AUTO_TEST_SUITE_END()
