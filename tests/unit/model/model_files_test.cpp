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

BOOST_AUTO_TEST_CASE(a_head_with_the_bytes_of_the_embedding_is_tied) {
  const ModelFiles files =
      load_changed([](TensorMap& t) { t.set("lm_head.weight", *t.find("model.embed_tokens.weight")); });
  BOOST_CHECK(files.architecture.tied_embeddings);
  BOOST_CHECK_NE(files.inventory.json().find("lm_head.weight"), std::string::npos);
  BOOST_CHECK_EQUAL(files.inventory.count(Fate::left_out), 0);
}

// transformers 5.12 uses such a head, whatever tie_word_embeddings says.
BOOST_AUTO_TEST_CASE(a_head_with_other_values_is_the_models_own) {
  const ModelFiles files = load_changed([](TensorMap& t) {
    t.set("lm_head.weight", HostTensor::zeros(DType::bf16, {4096, 64}));
  });
  BOOST_CHECK(!files.architecture.tied_embeddings);
  BOOST_CHECK_NE(files.tensors.find("lm_head.weight")->data,
                 files.tensors.find("model.embed_tokens.weight")->data);
  // Nothing is left out: the warning is no error with --strict.
  BOOST_CHECK(files.inventory.left_out_lines().empty());
  BOOST_CHECK_NE(files.inventory.json().find("tie_word_embeddings"), std::string::npos);
  BOOST_CHECK_NO_THROW(files.inventory.tell("m", true));
}

BOOST_AUTO_TEST_CASE(tensors_that_are_not_used_are_told_with_their_reason) {
  const ModelFiles files = load_changed([](TensorMap& t) {
    t.set("model.layers.0.self_attn.q_proj.bias", HostTensor::zeros(DType::bf16, {128}));
    t.set("model.layers.1.self_attn.q_proj.bias", HostTensor::zeros(DType::bf16, {128}));
    t.set("model.layers.2.mlp.up_proj.weight", HostTensor::zeros(DType::bf16, {96, 64}));
    t.set("score.weight", HostTensor::zeros(DType::f32, {2, 64}));
  });
  BOOST_CHECK(!files.tensors.contains("score.weight"));
  BOOST_CHECK_EQUAL(files.fingerprint, load_model_files(golden("nano")).fingerprint);
  std::string lines;
  for (const std::string& line : files.inventory.left_out_lines()) lines += line + '\n';
  for (const char* expected :
       {"2 tensors (model.layers.0.self_attn.q_proj.bias, model.layers.1.self_attn.q_proj.bias): the "
        "configuration has no such bias",
        "1 tensor (model.layers.2.mlp.up_proj.weight): the configuration has 2 layers",
        "1 tensor (score.weight): the architecture has no such tensor"}) {
    BOOST_CHECK_MESSAGE(lines.find(expected) != std::string::npos, "no " << expected << " in " << lines);
  }
}

BOOST_AUTO_TEST_CASE(other_weights_in_the_folder_are_told) {
  const TempDir folder;
  copy_config(folder);
  write_tensors(folder / "model.safetensors", nano_tensors());
  write_tensors(folder / "adapter_model.safetensors", {});
  write_tensors(folder / "logits.safetensors", {});  // no weights by its name
  write_file(folder / "model.safetensors.index.json", "{}");
  BOOST_CHECK_EQUAL(load_model_files(folder.path()).inventory.count(Fate::left_out), 2);
}

BOOST_AUTO_TEST_CASE(values_that_are_not_numbers_are_refused_by_name) {
  const auto with = [](const char* name, DType dtype, std::uint32_t bits, std::size_t size) {
    load_changed([&](TensorMap& t) {
      HostTensor bad = HostTensor::zeros(dtype, t.find(name)->shape);
      std::memcpy(bad.mutable_bytes() + bad.bytes() - size, &bits, size);
      t.set(name, bad);
    });
  };
  const char* up = "model.layers.1.mlp.up_proj.weight";
  for (const std::uint32_t bits : {0x7fc0u, 0x7f80u, 0xff80u})  // NaN, both infinities
    check_data_error([&] { with(up, DType::bf16, bits, 2); }, "model.safetensors", up);
  for (const std::uint32_t bits : {0x7e00u, 0x7c00u, 0xfc00u})
    check_data_error([&] { with(up, DType::f16, bits, 2); }, "model.safetensors", up);
  for (const std::uint32_t bits : {0x7fc00000u, 0x7f800000u, 0xff800000u})
    check_data_error([&] { with("model.norm.weight", DType::f32, bits, 4); }, "model.safetensors",
                     "model.norm.weight");
  BOOST_CHECK_NO_THROW(with(up, DType::bf16, 0x7f7fu, 2));  // the largest of each type are numbers
  BOOST_CHECK_NO_THROW(with(up, DType::f16, 0xfbffu, 2));
  BOOST_CHECK_NO_THROW(with("model.norm.weight", DType::f32, 0x7f7fffffu, 4));
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

// No program needs that many digits: the hint has the command that writes the folder anew.
BOOST_AUTO_TEST_CASE(float64_is_refused_with_the_command_that_converts_it) {
  const TempDir folder;
  copy_config(folder);
  TensorMap tensors = nano_tensors();
  const char* name = "model.norm.weight";
  tensors.set(name, HostTensor::zeros(DType::f64, tensors.find(name)->shape));
  write_tensors(folder / "model.safetensors", tensors);
  BOOST_CHECK_EXCEPTION(load_model_files(folder.path()), Error, [&](const Error& error) {
    const std::string command = "from_pretrained(\"" + folder.path().string() + "\", dtype=\"float32\")";
    return helps(error) && error.code() == ExitCode::data &&
           error.problem() == std::string("tensor ") + name + " has type float64" &&
           error.where() == (folder / "model.safetensors").string() &&
           error.hint().find(command) != std::string::npos;
  });
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
  // What the index lists and no shard has is missed only where the model needs it; what it forgot is found.
  for (const std::string name : {"no.such.tensor", "lm_head.weight"}) {  // 13-index-lists-dropped-head
    write_index(index + ", \"" + name + "\": \"part0.safetensors\"");
    const ModelFiles listed = load_model_files(folder.path());
    BOOST_CHECK_EQUAL(listed.inventory.count(Fate::left_out), 1);
    BOOST_CHECK_NE(listed.inventory.left_out_lines().at(0).find("1 entry of the index (" + name + ")"),
                   std::string::npos);
    BOOST_CHECK(listed.architecture.tied_embeddings);
    BOOST_CHECK_EQUAL(listed.fingerprint, files.fingerprint);
  }
  write_index("\"model.norm.weight\": \"part0.safetensors\", \"a\": \"part1.safetensors\"");
  BOOST_CHECK_EQUAL(load_model_files(folder.path()).fingerprint, files.fingerprint);
  write_index("\"model.norm.weight\": \"part0.safetensors\"");
  check_data_error(load, "", "is missing");
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
