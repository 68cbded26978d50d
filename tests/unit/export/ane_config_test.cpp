// config.json of a snapped folder: every key a consumer asks for, spelled out.
#include "src/export/ane_config.hpp"

#include <cstdint>
#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace anemll {
namespace {

struct Model {
  QuantSpec spec;
  Model& add(const std::string& name, bool mlp, std::int64_t lut_size, std::int64_t rank) {
    spec.entries().push_back({name, mlp, {"v2", lut_size, rank, 16, false}});
    return *this;
  }
};

nlohmann::json config_of(const Model& model, AneLayout layout) {
  return nlohmann::json::parse(
      ane_config(model.spec, {layout, true}, {"org/model", "run/best_state_dict.pt"}));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(AneConfig)

BOOST_AUTO_TEST_CASE(says_what_the_consumers_ask) {
  const auto config = config_of(Model().add("q", false, 16, 8).add("up", true, 4, 32), AneLayout::universal);
  const nlohmann::json expected = {{"version", "v2"},
                                   {"snapped_mode", "lut"},
                                   {"model_id", "org/model"},
                                   {"lut_bits", 2},
                                   {"attn_lut_bits", 4},
                                   {"lut_size", 4},
                                   {"scale_rank", 32},
                                   {"attn_scale_rank", 8},
                                   {"group_size", 16},
                                   {"force_positive_scales", false},
                                   {"fp16", true},
                                   {"magnitude_activation", "identity"},
                                   {"lora_r", 0},
                                   {"lora_merged", false},
                                   {"requantisable", false},
                                   {"export_layout", "universal"},
                                   {"layer_overrides", nlohmann::json::object()}};
  for (const auto& [key, value] : expected.items())
    BOOST_TEST(config.at(key) == value, key << " is " << config.at(key));
}

BOOST_AUTO_TEST_CASE(layers_that_differ_are_overrides) {
  const auto config = config_of(Model().add("a", true, 4, 32).add("b", true, 16, 32).add("c", true, 4, 32),
                                AneLayout::universal);
  BOOST_TEST(config.at("lut_bits") == 2);
  BOOST_TEST(config.at("layer_overrides").size() == 1U);
  BOOST_TEST(config.at("layer_overrides").at("b").at("lut_bits") == 4);
}

BOOST_AUTO_TEST_CASE(the_reference_layout_is_no_snapped_lut_and_can_be_quantised_again) {
  const auto config = config_of(Model().add("a", true, 4, 32), AneLayout::reference);
  BOOST_TEST(!config.contains("snapped_mode"));
  BOOST_TEST(config.at("requantisable") == true);
}

BOOST_AUTO_TEST_CASE(bits_of_tables) {
  BOOST_TEST(bits_of(2) == 1);
  BOOST_TEST(bits_of(4) == 2);
  BOOST_TEST(bits_of(8) == 3);
  BOOST_TEST(bits_of(16) == 4);
  BOOST_TEST(bits_of(17) == 5);
  BOOST_TEST(bits_of(256) == 8);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
