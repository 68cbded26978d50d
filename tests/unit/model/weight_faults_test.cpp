// Weights that another tool has left half done, and language models inside of larger ones.
#include "anemll/core/log.hpp"
#include "src/model/weight_check.hpp"
#include "tests/unit/model/model_folder.hpp"

#include <filesystem>
#include <functional>
#include <string>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;
namespace fs = std::filesystem;

namespace {

TensorMap nano_tensors() {
  return read_safetensors(golden("nano/model.safetensors")).tensors;
}

struct Folder {
  TempDir place;
  explicit Folder(const TensorMap& tensors) {
    fs::copy_file(golden("nano/config.json"), place / "config.json");
    write_tensors(place / "model.safetensors", tensors);
  }
  /// The error of opening, which is that of the check without values.
  std::string error(const std::string& part) const {
    check_data_error([&] { check_weights(open_model(place.path())); }, place.path().string(), part);
    try {
      load_model_files(place.path());
    } catch (const Error& error) {
      helps(error);
      return std::string(error.problem()) + " / " + std::string(error.hint());
    }
    return "no error";
  }
};

void check_has(const std::string& text, const std::string& part) {
  BOOST_CHECK_MESSAGE(text.find(part) != std::string::npos, "\"" << part << "\" is not in: " << text);
}

constexpr const char* kQuery = "model.layers.0.self_attn.q_proj";

}  // namespace

BOOST_AUTO_TEST_SUITE(weight_faults)

BOOST_AUTO_TEST_CASE(adapters_beside_their_base_are_refused_with_the_way_to_merge) {
  const auto with = [](const std::string& added, bool wrapped) {
    TensorMap tensors = nano_tensors();
    const std::string weight = std::string(kQuery) + ".weight";
    if (wrapped) {
      tensors.set(std::string(kQuery) + ".base_layer.weight", *tensors.find(weight));
      tensors.erase(weight);
    }
    if (!added.empty()) tensors.set(kQuery + added, HostTensor::zeros(DType::bf16, {4, 64}));
    return Folder(tensors).error("adapters");
  };
  for (const std::string& error :
       {with(".lora_A.default.weight", true), with(".lora_B.default.weight", false), with("", true),
        with(".lora_magnitude_vector", false), with(".modules_to_save.default.weight", false)}) {
    check_has(error, "LoRA adapters beside base weights are not merged");
    check_has(error, "merge_and_unload().save_pretrained(\"NEW\")");
    BOOST_CHECK_EQUAL(error.find("download"), std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_folder_of_an_adapter_alone_has_the_command_that_merges_it) {
  const TempDir folder;
  fs::copy_file(golden("nano/config.json"), folder / "config.json");
  write_file(folder / "adapter_config.json", "{\"peft_type\": \"LORA\"}");
  write_tensors(folder / "adapter_model.safetensors", {});
  try {
    load_model_files(folder.path());
    BOOST_ERROR("nothing was refused");
  } catch (const Error& error) {
    check_has(std::string(error.hint()), "AutoPeftModelForCausalLM");
    check_has(std::string(error.hint()), folder.path().string());
  }
}

BOOST_AUTO_TEST_CASE(tensors_without_elements_are_refused_as_what_they_are) {
  TensorMap tensors;
  for (const auto& [name, tensor] : nano_tensors()) tensors.set(name, HostTensor::zeros(DType::bf16, {0}));
  const Folder folder(tensors);
  const std::string plain = folder.error("is empty");
  check_has(plain, "model.embed_tokens.weight is empty (bfloat16[0]), as DeepSpeed ZeRO-3");
  check_has(plain, "stage3_gather_16bit_weights_on_model_save");
  BOOST_CHECK_EQUAL(plain.find("different models"), std::string::npos);
  write_file(folder.place / "zero_to_fp32.py", "");
  check_has(folder.error("is empty"),
            "cd " + folder.place.path().string() + " && python3 zero_to_fp32.py . OUT");

  TensorMap fused = nano_tensors();
  for (const char* part : {"q", "k", "v"})
    fused.erase("model.layers.0.self_attn." + std::string(part) + "_proj.weight");
  fused.set("model.layers.0.self_attn.qkv_proj.weight", HostTensor::zeros(DType::bf16, {0}));
  check_has(Folder(fused).error("is empty"), "qkv_proj.weight is empty");
}

BOOST_AUTO_TEST_CASE(another_shape_of_as_many_values_is_no_other_model) {
  TensorMap tensors = nano_tensors();
  const std::string name = "model.layers.0.mlp.up_proj.weight";
  tensors.set(name, HostTensor::zeros(DType::bf16, {64 * 96}));
  const std::string error = Folder(tensors).error(name);
  check_has(error, "another shape");
  BOOST_CHECK_EQUAL(error.find("different models"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_language_model_inside_of_a_larger_one_is_read) {
  const ModelFiles expected = load_model_files(golden("nano"));
  const std::string inner = read_text(golden("nano/config.json"));
  for (const char* key : {"text_config", "llm_config"}) {
    for (const std::string prefix : {"model.language_model.", "language_model.model."}) {
      TensorMap tensors;
      for (const auto& [name, tensor] : nano_tensors()) tensors.set(prefix + name.substr(6), tensor);
      tensors.set("model.vision_tower.patch.weight", HostTensor::zeros(DType::bf16, {4, 4}));
      const Folder folder(tensors);
      write_file(
          folder.place / "config.json",
          strf(R"({"model_type": "llava_onevision", "vision_config": {}, "%s": %s})", key, inner.c_str()));
      const OpenModel open = open_model(folder.place.path());
      const ModelFiles files = load_model_files(open);
      BOOST_CHECK_EQUAL(files.fingerprint, expected.fingerprint);
      check_has(files.inventory.json(), strf("\"%s\":1", key));  // compared, and so told
      check_has(files.inventory.left_out_lines().at(0), "1 tensor (model.vision_tower.patch.weight)");
      BOOST_CHECK_EQUAL(open.config.find("vision_config"), std::string::npos);  // what is handed on
    }
  }
}

BOOST_AUTO_TEST_CASE(what_concerns_the_model_inside_counts_where_it_stands_outside) {
  const TempDir folder;
  const auto write = [&](const std::string& inner, const std::string& more) {
    write_file(folder / "config.json",
               strf(R"({"model_type": "llava", "text_config": %s%s})", inner.c_str(), more.c_str()));
  };
  std::string inner = read_text(golden("nano/config.json"));
  const std::string tied = "\"tie_word_embeddings\": true";
  inner.replace(inner.find(tied), tied.size(), "\"tie_word_embeddings\": null");
  write(inner, ", " + tied);
  BOOST_CHECK(read_architecture(folder.path()).tied_embeddings);
  write(inner, "");
  BOOST_CHECK(!read_architecture(folder.path()).tied_embeddings);
  write(inner, ", \"quantization_config\": {\"bits\": 4}");
  check_data_error([&] { open_model(folder.path()); }, "text_config.quantization_config", "quantised");
  write("{\"model_type\": \"qwen3\"}", "");
  check_data_error([&] { open_model(folder.path()); }, "text_config.hidden_size", "missing");
  write("{\"model_type\": \"gemma3_text\"}", "");
  check_data_error([&] { open_model(folder.path()); }, "model_type", "llava");
}

BOOST_AUTO_TEST_SUITE_END()
