// Options as the config of an experiment.
#include "src/tracking/tracked_config.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

BOOST_AUTO_TEST_SUITE(tracked_config)

BOOST_AUTO_TEST_CASE(options_have_pythons_names) {
  const auto config = nlohmann::json::parse(
      anemll::tracked_config(R"({"batch-size": 8, "eval-text": null, "model-id": "x"})"));
  BOOST_TEST((config == nlohmann::json{{"batch_size", 8}, {"model_id", "x"}}));
  BOOST_TEST(anemll::tracked_config("no JSON") == "{}");
}

BOOST_AUTO_TEST_SUITE_END()
