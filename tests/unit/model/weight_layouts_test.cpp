// The same tensors in every layout that people store them in are the same model.
#include "anemll/formats/torch_file.hpp"
#include "tests/unit/model/model_folder.hpp"

#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;
namespace fs = std::filesystem;

namespace {

TensorMap tensors_of(const char* model) {
  return read_safetensors(golden(model) / "model.safetensors").tensors;
}

TensorMap renamed(const TensorMap& tensors, const std::function<std::string(std::string)>& name) {
  TensorMap out;
  for (const auto& [old, tensor] : tensors) out.set(name(old), tensor);
  return out;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  if (const std::size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

/// A folder with the config of a golden model, and what `write` puts beside it.
struct Folder {
  TempDir place;
  explicit Folder(const char* model, const TensorMap& tensors = {}) {
    fs::copy_file(golden(model) / "config.json", place / "config.json");
    if (!tensors.empty()) write_tensors(place / "model.safetensors", tensors);
  }
  ModelFiles load() const { return load_model_files(place.path()); }
};

void check_is(const char* model, const TensorMap& tensors) {
  const ModelFiles expected = load_model_files(golden(model));
  const ModelFiles files = Folder(model, tensors).load();
  BOOST_CHECK_EQUAL(files.fingerprint, expected.fingerprint);
  BOOST_CHECK_EQUAL(files.architecture.tied_embeddings, expected.architecture.tied_embeddings);
  BOOST_CHECK_EQUAL(head_sha256(files), head_sha256(expected));
  BOOST_CHECK(files.inventory.left_out_lines().empty());
}

/// The rows of several tensors as one.
HostTensor stacked(const std::vector<HostTensor>& parts) {
  std::vector<std::int64_t> shape = parts.front().shape;
  shape.front() = 0;
  for (const HostTensor& part : parts) shape.front() += part.shape.front();
  HostTensor out = HostTensor::zeros(parts.front().dtype, shape);
  std::size_t at = 0;
  for (const HostTensor& part : parts) {
    std::memcpy(out.mutable_bytes() + at, part.data, part.bytes());
    at += part.bytes();
  }
  return out;
}

TensorMap fused(TensorMap tensors) {
  const auto join = [&](const std::string& stem, const std::vector<std::string>& parts, const char* name) {
    for (const std::string end : {".weight", ".bias"}) {
      if (!tensors.contains(stem + parts.front() + end)) continue;
      std::vector<HostTensor> list;
      for (const std::string& part : parts) list.push_back(*tensors.find(stem + part + end));
      tensors.set(stem + name + end, stacked(list));
      for (const std::string& part : parts) tensors.erase(stem + part + end);
    }
  };
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    join(layer + "self_attn.", {"q_proj", "k_proj", "v_proj"}, "qkv_proj");
    join(layer + "mlp.", {"gate_proj", "up_proj"}, "gate_up_proj");
  }
  return tensors;
}

void write_bin(const fs::path& path, const TensorMap& tensors) {
  std::vector<LazyTensor> list;
  for (const auto& [name, tensor] : tensors) list.push_back(lazy(name, tensor));
  write_torch_file(path, list);
}

/// Two halves of the tensors; the text of an index that names their files.
struct Halves {
  TensorMap parts[2];
  std::string index;
  explicit Halves(const TensorMap& tensors, const std::string& stem, const std::string& ending) {
    std::size_t i = 0;
    for (const auto& [name, tensor] : tensors) {
      const std::size_t part = i++ % 2;
      parts[part].set(name, tensor);
      index += index.empty() ? "{\"weight_map\": {\"" : ", \"";
      index += name + "\": \"" + file(stem, part, ending) + "\"";
    }
    index += "}}";
  }
  static std::string file(std::string stem, std::size_t part, const std::string& ending) {
    stem += part == 0 ? "-00001-of-00002" : "-00002-of-00002";
    return stem + ending;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(model)

BOOST_AUTO_TEST_CASE(names_with_other_prefixes_are_the_same_model) {
  for (const std::string prefix :
       {"", "language_model.model.", "model.language_model.", "language_model.", "model.model.",
        "module.model.", "_orig_mod.model.", "module._orig_mod.model.", "base_model.model.model."}) {
    BOOST_TEST_CONTEXT(prefix) {
      check_is("nano", renamed(tensors_of("nano"),
                               [&](const std::string& name) { return replaced(name, "model.", prefix); }));
    }
  }
}

BOOST_AUTO_TEST_CASE(parts_of_names_that_wrappers_put_anywhere_do_not_count) {
  check_is("nano", renamed(tensors_of("nano"), [](const std::string& name) {
             return "_fsdp_wrapped_module." +
                    replaced(name, ".mlp.",
                             "._fsdp_wrapped_module._checkpoint_wrapped_module.mlp._orig_mod.");
           }));
}

BOOST_AUTO_TEST_CASE(a_head_beside_a_wrapped_base_model_is_the_head) {
  TensorMap tensors = tensors_of("nano");
  tensors.set("lm_head.weight", HostTensor::zeros(DType::bf16, {4096, 64}));
  const std::string own = Folder("nano", tensors).load().fingerprint;
  for (const std::string outer : {"language_model.", "module.", "base_model.model."}) {
    BOOST_TEST_CONTEXT(outer) {
      const ModelFiles files =
          Folder("nano", renamed(tensors, [&](const std::string& name) { return outer + name; })).load();
      BOOST_CHECK(!files.architecture.tied_embeddings);
      BOOST_CHECK_EQUAL(files.fingerprint, own);
    }
  }
}

BOOST_AUTO_TEST_CASE(names_of_their_own_go_before_those_with_prefixes) {
  TensorMap tensors = tensors_of("nano");
  tensors.set("language_model.model.norm.weight", HostTensor::zeros(DType::bf16, {64}));
  const ModelFiles files = Folder("nano", tensors).load();
  BOOST_CHECK_EQUAL(files.fingerprint, load_model_files(golden("nano")).fingerprint);
  BOOST_CHECK_EQUAL(files.inventory.count(Fate::left_out), 1);
}

BOOST_AUTO_TEST_CASE(a_tied_model_may_hold_the_head_alone) {  // 12-tied-only-head-stored
  check_is("nano", renamed(tensors_of("nano"), [](const std::string& name) {
             return replaced(name, "model.embed_tokens", "lm_head");
           }));
}

BOOST_AUTO_TEST_CASE(fused_linears_are_split) {
  check_is("nano", fused(tensors_of("nano")));
  check_is("qwen2_nano", fused(tensors_of("qwen2_nano")));  // with biases
  check_is("nano", renamed(fused(tensors_of("nano")), [](const std::string& name) {
             return replaced(name, "model.", "language_model.model.");
           }));

  TensorMap wrong = fused(tensors_of("nano"));
  wrong.set("model.layers.1.mlp.gate_up_proj.weight", HostTensor::zeros(DType::bf16, {191, 64}));
  check_data_error([&] { Folder("nano", wrong).load(); }, "model.safetensors",
                   "model.layers.1.mlp.gate_up_proj.weight is bfloat16[191, 64], config.json says 192 rows");
}

BOOST_AUTO_TEST_CASE(files_of_torch_save_are_read) {
  const std::string expected = load_model_files(golden("nano")).fingerprint;
  const Folder folder("nano");
  write_bin(folder.place / "pytorch_model.bin", tensors_of("nano"));
  const ModelFiles one = folder.load();
  BOOST_CHECK_EQUAL(one.fingerprint, expected);
  BOOST_CHECK_EQUAL(one.maps.size(), 1U);
  BOOST_CHECK(one.inventory.left_out_lines().empty());
  one.release_pages();
  BOOST_CHECK_EQUAL(head_sha256(one), head_sha256(load_model_files(golden("nano"))));

  // Safetensors go before them, and the user is told.
  TensorMap other = tensors_of("nano");
  other.set("model.norm.weight", HostTensor::zeros(DType::bf16, {64}));
  write_tensors(folder.place / "model.safetensors", other);
  const ModelFiles both = folder.load();
  BOOST_CHECK_NE(both.fingerprint, expected);
  BOOST_CHECK_EQUAL(both.inventory.left_out_lines().at(0),
                    "not used: 1 file (pytorch_model.bin): the weights are read from model.safetensors");

  const Folder damaged("nano");
  write_file(damaged.place / "pytorch_model.bin", "not a zip");
  check_data_error([&] { damaged.load(); }, "pytorch_model.bin", "");
}

BOOST_AUTO_TEST_CASE(a_file_is_read_by_its_content_whatever_its_name) {
  const std::string expected = load_model_files(golden("nano")).fingerprint;
  const Folder saved("nano"), safe("nano");
  write_bin(saved.place / "model.safetensors", tensors_of("nano"));
  BOOST_CHECK_EQUAL(saved.load().fingerprint, expected);
  write_tensors(safe.place / "pytorch_model.bin", tensors_of("nano"));
  BOOST_CHECK_EQUAL(safe.load().fingerprint, expected);
}

BOOST_AUTO_TEST_CASE(shards_may_lie_below_the_folder) {
  const Folder folder("nano");
  Halves halves(tensors_of("nano"), "model", ".safetensors");
  for (std::size_t at = 0; (at = halves.index.find("\"model-", at)) != std::string::npos; at += 9)
    halves.index.insert(at + 1, "parts/");
  fs::create_directory(folder.place / "parts");
  for (const std::size_t part : {0U, 1U})
    write_tensors(folder.place / "parts" / Halves::file("model", part, ".safetensors"), halves.parts[part]);
  write_file(folder.place / "model.safetensors.index.json", halves.index);
  BOOST_CHECK_EQUAL(folder.load().fingerprint, load_model_files(golden("nano")).fingerprint);
  for (const std::string outside : {"../x", "/x", "a/../x", "parts/", "./x"}) {
    write_file(folder.place / "model.safetensors.index.json", R"({"weight_map": {"a": ")" + outside + "\"}}");
    check_data_error([&] { folder.load(); }, "index.json", "not the name of a file in this folder");
  }
}

BOOST_AUTO_TEST_CASE(weights_of_other_names_are_shown_the_way) {
  const auto hint = [](const std::vector<std::string>& names) {
    const Folder folder("nano");
    for (const std::string& name : names) write_file(folder.place / name, "");
    try {
      folder.load();
    } catch (const Error& error) {
      return error.hint();
    }
    return std::string("no error");
  };
  const auto said = [](const std::string& text, const char* words) {
    BOOST_CHECK_MESSAGE(text.find(words) != std::string::npos, words << " is not in: " << text);
  };
  said(hint({"model.fp16.safetensors"}), "mv '");
  said(hint({"b.safetensors", "a.safetensors"}),
       "if a.safetensors, b.safetensors are the weights, name them "
       "model-00001-of-00002.safetensors");
  said(hint({"x.Q4_0.gguf"}), "x.Q4_0.gguf");
  said(hint({}), "save_pretrained");
}

BOOST_AUTO_TEST_CASE(shards_of_both_forms_are_found_with_and_without_an_index) {
  const std::string expected = load_model_files(golden("nano")).fingerprint;
  struct Form {
    std::string stem, ending;
    void (*write)(const fs::path&, const TensorMap&);
  };
  for (const Form& form :
       {Form{"model", ".safetensors", &write_tensors}, Form{"pytorch_model", ".bin", &write_bin}}) {
    BOOST_TEST_CONTEXT(form.ending) {
      const Folder folder("nano");
      const Halves halves(tensors_of("nano"), form.stem, form.ending);
      const auto path = [&](std::size_t part) {
        return folder.place / Halves::file(form.stem, part, form.ending);
      };
      form.write(path(0), halves.parts[0]);
      check_data_error([&] { folder.load(); }, path(0).string(), "1 of 2 shards");
      form.write(path(1), halves.parts[1]);
      BOOST_CHECK_EQUAL(folder.load().fingerprint, expected);
      // By an index of any name.
      for (const std::string variant : {"", ".fp16"}) {
        const fs::path index = folder.place / (form.stem + variant + form.ending + ".index.json");
        write_file(index, halves.index);
        const ModelFiles files = folder.load();
        BOOST_CHECK_EQUAL(files.fingerprint, expected);
        BOOST_CHECK_EQUAL(files.maps.size(), 2U);
        BOOST_CHECK(files.inventory.left_out_lines().empty());
        fs::remove(index);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_missing_is_said_with_its_cause) {
  const auto hint = [](const TensorMap& tensors) -> std::string {
    try {
      Folder("nano", tensors).load();
    } catch (const Error& error) {
      BOOST_CHECK(error.code() == ExitCode::data);
      return error.hint();
    }
    return "no error";
  };
  const auto said = [](const std::string& text, const char* words) {
    BOOST_CHECK_MESSAGE(text.find(words) != std::string::npos, words << " is not in: " << text);
  };
  TensorMap tensors = tensors_of("nano");
  tensors.erase("model.layers.1.mlp.up_proj.weight");
  said(hint(tensors), "incomplete");
  tensors.set("model.layers.1.mlp.up_proj.qweight", HostTensor::zeros(DType::i32, {8, 96}));
  said(hint(tensors), "quantised (model.layers.1.mlp.up_proj.qweight)");

  TensorMap fewer;
  for (const auto& [name, tensor] : tensors_of("nano")) {
    if (!name.starts_with("model.layers.1.")) fewer.set(name, tensor);
  }
  said(hint(fewer), "config.json has 2 layers, the weights have 1: they belong to different models");

  TensorMap foreign;
  foreign.set("transformer.h.0.attn.c_attn.weight", HostTensor::zeros(DType::f32, {64, 192}));
  said(hint(foreign), "not known, such as transformer.h.0.attn.c_attn.weight");

  TensorMap resized = tensors_of("nano");
  resized.set("model.embed_tokens.weight", HostTensor::zeros(DType::bf16, {4100, 64}));
  said(hint(resized), "correct its vocab_size to 4100");
  TensorMap wider = tensors_of("nano");
  wider.set("model.norm.weight", HostTensor::zeros(DType::bf16, {63}));
  said(hint(wider), "different models");
}

BOOST_AUTO_TEST_CASE(qwen3_without_a_head_size_has_that_of_its_class) {
  const TempDir folder;
  Keys keys = llama_keys();
  write_config(folder.path(), keys, {{"model_type", "\"qwen3\""}});
  BOOST_CHECK_EQUAL(read_architecture(folder.path()).head_dim, 128);  // hidden / heads is 4
}

BOOST_AUTO_TEST_SUITE_END()
