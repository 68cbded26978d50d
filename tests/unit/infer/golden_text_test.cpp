// Greedy texts of the Python library transformers on real models, token for token: by the decoder, and by the
// form in which anemll_infer computes on a CPU.
#include "anemll/core/file.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/infer/compact_model.hpp"
#include "src/infer/generation_config.hpp"
#include "src/infer/generator.hpp"
#include "tests/support/real_models.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;
using nlohmann::json;

namespace {

using Ids = std::vector<std::int32_t>;

struct Speaker {
  explicit Speaker(const std::filesystem::path& folder)
      : opened(open_model(folder)),
        files(load_model_files(opened)),
        decoder(files, at::kCPU, /*dense=*/true),
        config(read_generation_config(folder / "generation_config.json", opened.config,
                                      load_text_model(folder).eos_id)) {}

  Ids say(const Ids& prompt, double penalty, std::int64_t tokens) {
    return said_by(decoder, prompt, penalty, tokens);
  }

  Ids said_by(Decoder& model, const Ids& prompt, double penalty, std::int64_t tokens) {
    SamplingOptions greedy;
    greedy.temperature = 0;
    greedy.repetition_penalty = penalty;
    Sampler sampler(greedy, 0);
    return Generator(model).answer(prompt, {tokens, config.stops}, sampler).ids;
  }

  OpenModel opened;
  ModelFiles files;
  Decoder decoder;
  GenerationConfig config;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_golden_text)

BOOST_AUTO_TEST_CASE(a_small_teacher_says_the_same, *test::needs_models({"teacher-7m"})) {
  Speaker speaker(test::test_models() / "teacher-7m");
  const json cases = json::parse(read_text(test::golden("text/greedy_cases.json")));
  BOOST_TEST(cases.size() == 8U);
  for (const json& item : cases) {
    const Ids said =
        speaker.say(item.at("prompt_ids").get<Ids>(), item.at("repetition_penalty").get<double>(), 48);
    BOOST_TEST(said == item.at("new_ids").get<Ids>(), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(smollm2_says_the_same, *test::needs_models({"smollm2"})) {
  Speaker speaker(test::test_models() / "smollm2");
  CompactModel compact(speaker.files);  // of F16 weights: nothing is rounded
  const json cases = json::parse(read_text(test::golden("smollm2/greedy.json")));
  BOOST_TEST(!cases.empty());
  for (const json& item : cases) {
    const auto prompt = item.at("input_ids").get<Ids>();
    for (const auto& [key, penalty] : {std::pair{"greedy_rp1.0", 1.0}, std::pair{"greedy_rp1.1", 1.1}}) {
      const auto expected = item.at(key).get<Ids>();
      const auto tokens = static_cast<std::int64_t>(expected.size());
      BOOST_TEST(speaker.say(prompt, penalty, tokens) == expected, boost::test_tools::per_element());
      BOOST_TEST(speaker.said_by(compact.decoder(), prompt, penalty, tokens) == expected,
                 boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
