// What is said about each program, from facts and figures, and the command that is typed.
#include "src/export/programs.hpp"

#include "anemll/core/log.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

constexpr double kRight = 2e-3;

/// Figures of a universal file of a model with some negative scales, as they were measured on nano.
ReadingError universal(Consumer consumer) {
  switch (consumer) {
    case Consumer::clamp:
    case Consumer::weight:
      return {1.5e-2, 9e-5};
    case Consumer::conv:
      return {1.67, 0.15};
    case Consumer::abs:
      return {1.31, {}};
    default:
      return {3.3e-4, 1.6e-7};
  }
}

ProgramVerdict of(const std::string& program, const ProgramFacts& facts,
                  const std::function<ReadingError(Consumer)>& error = universal) {
  for (ProgramVerdict& verdict : program_verdicts(facts, kRight, error)) {
    if (verdict.program.find(program) != std::string::npos) return verdict;
  }
  BOOST_FAIL("no program " + program);
  return {};
}

bool says(const ProgramVerdict& verdict, const std::string& part) {
  return verdict.words.find(part) != std::string::npos;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

ConverterCommand command() {
  return {"/runs/snap/model_state_dict.pt", "/runs/best.pt", "org/name", false, "qwen3", 2, 4};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(Programs)

BOOST_AUTO_TEST_CASE(a_universal_file_is_read_as_was_measured) {
  const ProgramFacts facts{"qwen3"};
  BOOST_CHECK(of("convert_v2_trace", facts).reading == Reading::right);
  BOOST_CHECK(of("aq1_full", facts).reading == Reading::right);
  const ProgramVerdict clamped = of("load_baked", facts);
  BOOST_CHECK(clamped.reading == Reading::changed);
  BOOST_TEST(says(clamped, "reads it changed (weights off by 0.015, KL 9e-05)"), clamped.words);
  BOOST_TEST(says(clamped, "--positive-scales"), clamped.words);
  const ProgramVerdict conv = of("load_anemll_weights", facts);
  BOOST_CHECK(conv.reading == Reading::another);
  BOOST_TEST(says(conv, "--layout no-lut"), conv.words);
}

BOOST_AUTO_TEST_CASE(positive_scales_without_lut_are_read_right_by_all) {
  for (const ProgramVerdict& verdict : program_verdicts({"qwen3"}, kRight, [](Consumer) {
         return ReadingError{3.3e-4, {}};
       }))
    BOOST_CHECK_MESSAGE(verdict.reading == Reading::right, verdict.program);
}

BOOST_AUTO_TEST_CASE(a_llama_is_computed_as_another_model_by_all_but_those_with_its_class) {
  const ProgramFacts facts{"llama"};
  const ProgramVerdict trace = of("convert_v2_trace", facts);
  BOOST_CHECK(trace.reading == Reading::another);
  BOOST_TEST(says(trace, "ends with 0 and computes another model"), trace.words);
  BOOST_TEST(says(trace, "merged folder"), trace.words);
  BOOST_CHECK(of("load_rf", facts).reading == Reading::right);
  BOOST_CHECK(of("the reference", facts).reading == Reading::right);
}

BOOST_AUTO_TEST_CASE(tables_that_a_program_has_no_type_for_are_refused_by_it) {
  ProgramFacts facts{"qwen3"};
  facts.odd_tables = true;
  BOOST_CHECK(of("aq1_full", facts).reading == Reading::refuses);
  BOOST_CHECK(of("convert_v2_trace", facts).reading == Reading::right);
  facts = {"qwen3"};
  facts.mixed_mlp = true;
  BOOST_CHECK(of("test_qwenAQ1_load.py", facts).reading == Reading::refuses);
  BOOST_CHECK(of("aq1_full", facts).reading == Reading::right);
}

BOOST_AUTO_TEST_CASE(a_nan_is_no_right_reading) {
  const auto nan = [](Consumer) { return ReadingError{std::numeric_limits<double>::quiet_NaN(), {}}; };
  for (const ProgramVerdict& verdict : program_verdicts({"qwen3"}, kRight, nan))
    BOOST_CHECK(verdict.reading == Reading::another);
}

BOOST_AUTO_TEST_CASE(facts_come_from_the_specification) {
  QuantSpec spec;
  const auto add = [&](bool mlp, std::int64_t lut) {
    spec.entries().push_back({strf("l%zu", spec.entries().size()), mlp, {"v2", lut, 4, 16, false}});
  };
  add(false, 16);
  add(true, 4);
  add(true, 4);
  Architecture architecture;
  architecture.family = "qwen3";
  BOOST_TEST(!program_facts(architecture, spec, false).mixed_mlp);
  BOOST_TEST(!program_facts(architecture, spec, false).odd_tables);
  add(true, 16);
  BOOST_TEST(program_facts(architecture, spec, false).mixed_mlp);
  add(false, 8);
  BOOST_TEST(program_facts(architecture, spec, false).odd_tables);
}

BOOST_AUTO_TEST_CASE(the_command_has_the_real_paths_and_bits) {
  ConverterCommand c = command();
  const std::string hub = converter_command(c);
  BOOST_TEST(has(hub, "convert_v2_trace.py --checkpoint /runs/snap/model_state_dict.pt --model org/name"),
             hub);
  BOOST_TEST(has(hub, "--mlp-bits 2 --attn-bits 4"), hub);
  c.model = "/models/mine";
  c.model_is_local = true;
  const std::string local = converter_command(c);
  BOOST_TEST(has(local, "--model ORG/NAME"), local);
  BOOST_TEST(has(local, "fails on a local folder (/models/mine)"), local);
  c.family = "llama";
  c.checkpoint = "/runs/it's mine.pt";
  const std::string llama = converter_command(c);
  BOOST_TEST(has(llama, "anemll_convert merge '/runs/it'\\''s mine.pt' /runs/snap-merged"), llama);
  BOOST_TEST(!has(llama, "convert_v2_trace"), llama);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
