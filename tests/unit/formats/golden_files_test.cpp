// Every golden file against the manifest: exact values where it is good, a data error with a hint where it
// is not. Values come from the library that wrote the file, so equality is exact (the manifest has shortest
// round-trip decimals).
#include "anemll/formats/safetensors.hpp"
#include "anemll/formats/torch_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/formats/tensors.hpp"

#include <map>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;
using namespace anemll::test;
using nlohmann::json;

namespace {

json manifest() {
  return json::parse(load_file(golden("files/manifest.json")));
}

void check_tensor(const std::string& label, const HostTensor* tensor, const json& expected) {
  BOOST_TEST_CONTEXT(label) {
    BOOST_TEST_REQUIRE(tensor != nullptr);
    BOOST_TEST(std::string(name_of(tensor->dtype)) == expected["dtype"].get<std::string>());
    BOOST_TEST(tensor->shape == expected["shape"].get<std::vector<std::int64_t>>(),
               boost::test_tools::per_element());
    BOOST_TEST(elements(*tensor) == expected["values"].get<std::vector<double>>(),
               boost::test_tools::per_element());
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(Formats)

BOOST_AUTO_TEST_CASE(golden_torch_files) {
  std::size_t good = 0;
  std::size_t bad = 0;
  const json files = manifest()["pt"];
  for (const auto& [name, entry] : files.items()) {
    const auto path = golden("files/pt/" + name + ".pt");
    BOOST_TEST_CONTEXT(name) {
      if (!entry["ok"].get<bool>()) {
        BOOST_CHECK_EXCEPTION(read_torch_file(path), Error, data_error_with(path.filename().string()));
        BOOST_CHECK_EXCEPTION(read_state_dict(path), Error, data_error_with(path.filename().string()));
        ++bad;
        continue;
      }
      const TensorMap tensors = flatten_tensors(read_torch_file(path));
      for (const auto& [key, expected] : entry["tensors"].items()) {
        check_tensor(name + "/" + key, tensors.find(key), expected);
      }
      // The manifest lists the top-level tensors of the optimizer file only.
      if (name != "optimizer_state") BOOST_TEST(tensors.size() == entry["tensors"].size());
      ++good;
    }
  }
  BOOST_TEST(good == 10u);
  BOOST_TEST(bad == 10u);
}

BOOST_AUTO_TEST_CASE(golden_safetensors_files) {
  std::size_t good = 0;
  std::size_t bad = 0;
  const json files = manifest()["safetensors"];
  for (const auto& [name, entry] : files.items()) {
    const auto path = golden("files/safetensors/" + name + ".safetensors");
    BOOST_TEST_CONTEXT(name) {
      if (entry["ok"].get<bool>()) {
        // All of them hold 1, 2, 3, 4 in data order.
        std::vector<double> values;
        for (const auto& [key, tensor] : read_safetensors(path).tensors) {
          for (const double value : elements(tensor)) values.push_back(value);
        }
        BOOST_TEST(values == (std::vector<double>{1, 2, 3, 4}), boost::test_tools::per_element());
        ++good;
      } else {
        BOOST_CHECK_EXCEPTION(read_safetensors(path), Error, data_error_with(path.filename().string()));
        ++bad;
      }
    }
  }
  BOOST_TEST(good == 5u);
  BOOST_TEST(bad == 14u);
}

BOOST_AUTO_TEST_CASE(golden_scalar_and_empty_safetensors) {
  const SafetensorsFile file =
      read_safetensors(golden("files/safetensors/good_scalar_and_empty.safetensors"));
  BOOST_TEST(file.tensors.find("s")->shape.empty());
  BOOST_TEST(file.tensors.find("e")->shape == (std::vector<std::int64_t>{0, 3}),
             boost::test_tools::per_element());
  BOOST_TEST(file.tensors.find("e")->numel() == 0);
  BOOST_TEST(read_safetensors(golden("files/safetensors/good_metadata.safetensors")).metadata.at("format") ==
             "pt");
}

BOOST_AUTO_TEST_CASE(forbidden_global_is_named) {
  BOOST_CHECK_EXCEPTION(read_torch_file(golden("files/pt/evil_global.pt")), Error,
                        data_error_with("posix.system"));
}

BOOST_AUTO_TEST_CASE(reasons_are_specific) {
  const auto reason = [](const std::string& name, const std::string& part) {
    BOOST_TEST_CONTEXT(name) {
      BOOST_CHECK_EXCEPTION(read_torch_file(golden("files/pt/" + name + ".pt")), Error,
                            data_error_with(part));
    }
  };
  reason("missing_storage", "storage '0' is missing");
  reason("short_storage", "storage '0' has 20 bytes, the pickle says 24");
  reason("no_pickle", "no data.pkl");
  reason("deep_nesting", "unbalanced");
  reason("huge_string", "2147483647 bytes wanted");
  reason("empty", "empty");
}

BOOST_AUTO_TEST_CASE(other_values_survive) {
  const TorchValue file = read_torch_file(golden("files/pt/nested_wrapped.pt"));
  const auto& top = *std::get<std::shared_ptr<TorchValue::Dict>>(file.value);
  BOOST_TEST_REQUIRE(top.size() == 2u);
  const auto& config = *std::get<std::shared_ptr<TorchValue::Dict>>(top[1].second.value);
  std::map<std::string, const TorchValue*> values;
  for (const auto& [key, value] : config) values[std::get<std::string>(key.value)] = &value;
  BOOST_TEST(std::get<std::int64_t>(values.at("rank")->value) == 32);
  BOOST_TEST(std::get<double>(values.at("lr")->value) == 5e-5);
  BOOST_TEST(std::get<std::string>(values.at("name")->value) == "x");
  BOOST_TEST(std::get<bool>(values.at("on")->value));
  BOOST_TEST(std::holds_alternative<TorchValue::None>(values.at("none")->value));
  const auto& list = *std::get<std::shared_ptr<TorchValue::List>>(values.at("list")->value);
  BOOST_TEST(list.size() == 3u);
  BOOST_TEST(std::get<double>(list[1].value) == 2.5);
}

BOOST_AUTO_TEST_CASE(optimizer_states_keep_integer_keys) {
  const TorchValue file = read_torch_file(golden("files/pt/optimizer_state.pt"));
  const TensorMap tensors = flatten_tensors(file);
  BOOST_TEST(tensors.contains("opt.state.0.exp_avg_sq"));
  BOOST_TEST(tensors.find("opt.state.0.step")->shape.empty());
  BOOST_TEST(read_state_dict(golden("files/pt/optimizer_state.pt")).size() == 1u);  // top-level tensors only
}

BOOST_AUTO_TEST_CASE(state_dicts_are_unwrapped) {
  const TensorMap tensors = read_state_dict(golden("files/pt/nested_wrapped.pt"));
  BOOST_TEST(tensors.size() == 1u);
  BOOST_TEST(tensors.contains("w"));
}

BOOST_AUTO_TEST_CASE(shared_storages_stay_shared) {
  const TensorMap tensors = read_state_dict(golden("files/pt/shared_storage_views.pt"));
  const HostTensor* whole = tensors.find("whole");
  BOOST_TEST(tensors.find("row")->data == whole->data + 6 * sizeof(float));
  BOOST_TEST(tensors.find("t")->data == whole->data);
  BOOST_TEST(!tensors.find("t")->contiguous());
}

// Two layers of seven quantised projections, as the Python reference saves a model right after scale init.
BOOST_AUTO_TEST_CASE(quantised_checkpoint) {
  const TensorMap tensors = read_state_dict(golden("nano/v2_q2a4_init.pt"));
  BOOST_TEST(tensors.size() == 123u);
  std::map<DType, int> counts;
  for (const auto& entry : tensors) ++counts[entry.second.dtype];
  BOOST_TEST(counts.size() == 3u);
  BOOST_TEST(counts[DType::f32] == 95);
  BOOST_TEST(counts[DType::i64] == 14);
  BOOST_TEST(counts[DType::i8] == 14);
  BOOST_TEST(tensors.begin()->first == "model.embed_tokens.weight");
  const std::string projection = "model.layers.0.self_attn.q_proj.";
  BOOST_TEST(tensors.find(projection + "scale_A")->describe() == "float32[128, 8]");
  BOOST_TEST(tensors.find(projection + "_indices")->describe() == "int64[128, 64]");
  BOOST_TEST(tensors.find(projection + "_scales_baked_flag")->describe() == "int8[]");
  // Tied embeddings are one storage.
  BOOST_TEST(tensors.find("lm_head.weight")->data == tensors.find("model.embed_tokens.weight")->data);
}

BOOST_AUTO_TEST_SUITE_END()
