// Four bits to two on the nano model: against the reference's own result, and what must stay.
#include "src/convert/q4_to_q2.hpp"

#include "anemll/core/error.hpp"
#include "anemll/formats/safetensors.hpp"
#include "src/model/torch_bridge.hpp"
#include "tests/unit/convert/q4_checkpoint.hpp"

#include <map>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

const std::string kAttention = "model.layers.0.self_attn.k_proj";
const std::string kMlp = "model.layers.0.mlp.down_proj";

struct Q4 {
  TempDir dir;
  V2Checkpoint checkpoint;

  Q4() {
    write_q4(dir / "q4.pt");
    checkpoint = open_v2_checkpoint(dir / "q4.pt");
  }
  Student student() const {
    const ResolvedQuant quant = checkpoint_quant(checkpoint, nano_files().architecture, {});
    return Student::from_checkpoint(nano_files(), checkpoint, quant.spec, true, at::kCPU);
  }
};

Q2Options options_of(LutReduce reduce, Compat compat = Compat::none, std::uint64_t seed = 0) {
  return {preset_scheme("q2a4"), reduce, seed, compat};
}

Q2Result convert(const Q4& q4, const Q2Options& options) {
  Student student = q4.student();
  return convert_q4_to_q2(student, {}, options, at::kCPU);
}

/// What would be in the file.
std::map<std::string, at::Tensor> written(const Student& student, Compat compat = Compat::none) {
  std::map<std::string, at::Tensor> tensors;
  for (const LazyTensor& entry : q2_state_dict(student, compat)) {
    if (entry.alias_of.empty()) tensors[entry.name] = as_torch(entry.make());
  }
  return tensors;
}

double error_of(const Q2Result& result, bool mlp) {
  double squared = 0;
  for (const Q2Change& change : result.changes)
    squared += change.mlp == mlp ? change.weight_error * change.weight_error : 0;
  return squared;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(q4_to_q2)

BOOST_AUTO_TEST_CASE(the_reference_s_result) {
  const Q4 q4;
  const Q2Options options = options_of(LutReduce::kmeans_entries, Compat::reference);
  const auto made = written(convert(q4, options).student, Compat::reference);
  const TensorMap expected = read_safetensors(golden("quant/q2_of_two_layers.safetensors")).tensors;
  for (const auto& [layer, rank] : {std::pair{kAttention, 8}, std::pair{kMlp, 32}}) {
    const auto theirs = [&](const char* suffix) { return as_torch(*expected.find(layer + suffix)); };
    const auto ours = [&](const char* suffix) { return made.at(layer + suffix); };
    BOOST_TEST(ours(".lut").equal(theirs(".lut")), layer);
    BOOST_TEST(ours(".rank_magnitude").equal(theirs(".rank_magnitude")), layer);
    BOOST_TEST((ours(".scale_A").sizes() == theirs(".scale_A").sizes()), layer);
    BOOST_TEST((ours(".scale_B").sizes() == theirs(".scale_B").sizes()), layer);
    BOOST_TEST(ours(".scale_A").size(1) == rank);
    BOOST_TEST(ours(".scale_A").narrow(1, 0, 4).equal(theirs(".scale_A").narrow(1, 0, 4)), layer);
    BOOST_TEST(ours(".scale_B").narrow(0, 0, 4).equal(theirs(".scale_B").narrow(0, 0, 4)), layer);
  }
}

BOOST_AUTO_TEST_CASE(the_reference_s_keys_and_all_other_tensors) {
  const Q4 q4;
  const Student q2 = convert(q4, options_of(LutReduce::kmeans_entries, Compat::reference)).student;
  std::vector<std::string> expected;
  for (const TensorSpec& spec : expected_tensors(nano_files().architecture)) {
    expected.push_back(spec.name);
    const std::string module = spec.name.substr(0, spec.name.rfind('.'));
    if (!q4.checkpoint.tensors.contains(module + ".scale_A")) continue;
    for (const char* suffix : {".scale_A", ".scale_B", ".rank_magnitude", ".lut", "._scales_baked_flag"})
      expected.push_back(module + suffix);
  }
  std::vector<std::string> keys;
  for (const LazyTensor& entry : q2_state_dict(q2, Compat::reference)) keys.push_back(entry.name);
  BOOST_TEST(keys == expected, boost::test_tools::per_element());
  BOOST_TEST(keys.size() == 95U);  // as many as the reference's file has

  for (const auto& [name, tensor] : written(q2, Compat::reference)) {
    const HostTensor* source = q4.checkpoint.tensors.find(name);
    BOOST_REQUIRE_MESSAGE(source != nullptr, name);
    const bool another = name.ends_with(".scale_A") || name.ends_with(".scale_B") ||
                         name.ends_with(".rank_magnitude") ||
                         (name.ends_with(".lut") && name.find(".mlp.") != std::string::npos);
    BOOST_TEST((source->shape == tensor.sizes().vec()) == !another, name);
    if (!another) BOOST_TEST(tensor.equal(as_torch(*source)), name);
  }
}

BOOST_AUTO_TEST_CASE(attention_keeps_its_indices_and_the_mlp_takes_the_nearest) {
  const Q4 q4;
  const auto made = written(convert(q4, options_of(LutReduce::weighted_kmeans)).student);
  const auto old = [&](const std::string& name) {
    return as_torch(*q4.checkpoint.tensors.find(name)).to(at::kFloat);
  };
  BOOST_TEST(made.at(kAttention + "._Q").equal(old(kAttention + "._Q")));
  const at::Tensor q = made.at(kMlp + "._Q");
  const at::Tensor lut = made.at(kMlp + ".lut");
  BOOST_REQUIRE(lut.numel() == 4);
  const at::Tensor distances = (old(kMlp + "._Q").unsqueeze(-1) - lut).abs();  // [out, in, 4]
  BOOST_TEST((q - old(kMlp + "._Q")).abs().equal(distances.amin(-1)));
  BOOST_TEST((lut.narrow(0, 1, 3) > lut.narrow(0, 0, 3)).all().item<bool>());
}

BOOST_AUTO_TEST_CASE(weighted_kmeans_is_nearest_to_the_old_weights) {
  constexpr double kHalf = 1.005;  // tables are rounded to half, and the new ranks move weights a little
  const Q4 q4;
  const Q2Result weighted = convert(q4, options_of(LutReduce::weighted_kmeans));
  BOOST_TEST(error_of(weighted, true) > 0.01);
  for (const LutReduce other : {LutReduce::symmetric, LutReduce::kmeans_entries})
    BOOST_TEST(error_of(weighted, true) < kHalf * error_of(convert(q4, options_of(other)), true));
  // Only the new ranks move attention.
  BOOST_TEST(error_of(weighted, false) < 0.05 * error_of(weighted, true));
  BOOST_TEST(error_of(weighted, false) > 0);
}

BOOST_AUTO_TEST_CASE(a_seed_gives_the_same_file_again) {
  const Q4 q4;
  const auto file = [&](std::uint64_t seed) {
    return written(convert(q4, options_of(LutReduce::symmetric, Compat::none, seed)).student);
  };
  const auto first = file(1), again = file(1), other = file(2);
  for (const auto& [name, tensor] : first) {
    BOOST_TEST(tensor.equal(again.at(name)), name);
    const bool random = name.ends_with(".scale_A") || name.ends_with(".scale_B");
    BOOST_TEST(tensor.equal(other.at(name)) == !random, name);
  }
}

BOOST_AUTO_TEST_CASE(a_linear_that_is_missing_is_started_and_told) {
  Q4 q4;
  std::vector<std::string> names;
  for (const auto& [name, tensor] : q4.checkpoint.tensors) {
    if (name.starts_with(kAttention + ".") && !name.ends_with(".weight")) names.push_back(name);
  }
  BOOST_TEST(names.size() >= 6U);
  for (const std::string& name : names) q4.checkpoint.tensors.erase(name);
  const Q2Options options = options_of(LutReduce::weighted_kmeans);
  const std::vector<std::string> started = add_missing_linears(q4.checkpoint, nano_files(), options.target);
  BOOST_TEST(started == std::vector<std::string>{kAttention}, boost::test_tools::per_element());
  Student student = q4.student();
  const Q2Result result = convert_q4_to_q2(student, started, options, at::kCPU);
  BOOST_TEST(result.student.spec().of(kAttention).rank == 8);
  const std::string text = changes_text(result.changes, options);
  BOOST_TEST(text.find("started from the float weights: attention 16 entries rank 8 (1 linear)") !=
                 std::string::npos,
             text);
  BOOST_TEST(
      text.find("kept: attention tables of 16 entries and their indices (7 linears)") != std::string::npos,
      text);
  BOOST_TEST(
      text.find("reduced: MLP tables 16 -> 4 entries (6 linears; weighted-kmeans, the weights change by ") !=
          std::string::npos,
      text);
  BOOST_TEST(text.find("MLP scales rank 4 -> 32 (6 linears)") != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(a_smaller_table_or_rank_loses_something) {
  const auto loss = [](std::int64_t lut, std::int64_t rank, bool started = false) {
    Q2Change change;
    change.from.lut_size = 4;
    change.from.rank = 8;
    change.to.lut_size = lut;
    change.to.rank = rank;
    change.started = started;
    return loses({Q2Change{change.linear, false, false, change.from, change.from, 0}, change});
  };
  BOOST_TEST(!loss(4, 8));
  BOOST_TEST(!loss(4, 16));
  BOOST_TEST(loss(2, 8));
  BOOST_TEST(loss(4, 4));
  BOOST_TEST(loss(4, 8, true));
}

BOOST_AUTO_TEST_CASE(files_of_other_layers_or_models_are_refused) {
  const auto problem_of = [](const TensorMap& tensors) {
    V2Checkpoint checkpoint;
    checkpoint.file = "q4.pt";
    checkpoint.tensors = tensors;
    try {
      add_missing_linears(checkpoint, nano_files(), preset_scheme("q2a4"));
    } catch (const Error& error) {
      BOOST_TEST((error.code() == ExitCode::data));
      return error.problem();
    }
    return std::string();
  };
  BOOST_TEST(problem_of(nano_files().tensors) == "holds no V2 layer of this model");
  const Q4 q4;
  TensorMap tensors = q4.checkpoint.tensors;
  for (const char* suffix : {".scale_A", ".scale_B", ".rank_magnitude", ".lut", "._Q", "._scales_baked_flag"})
    BOOST_TEST(tensors.erase(kMlp + suffix), suffix);
  TensorMap v1 = tensors;
  v1.set(kMlp + ".lut", HostTensor::zeros(DType::f32, {16}));
  v1.set(kMlp + ".full_scales", HostTensor::zeros(DType::f32, {64, 96}));
  BOOST_TEST(problem_of(v1) == "holds layers of type v1, " + kMlp + " among them");
  tensors.set(kMlp + ".weight", HostTensor::zeros(DType::f32, {96, 64}));
  BOOST_TEST(problem_of(tensors).find(kMlp + ".weight is float32[96, 64], not of the model's shape") == 0U);
}

BOOST_AUTO_TEST_CASE(tables_do_not_grow) {
  const Q4 q4;
  Student student = q4.student();
  Q2Options options = options_of(LutReduce::weighted_kmeans);
  options.target.mlp_lut = 32;
  BOOST_CHECK_EXCEPTION(convert_q4_to_q2(student, {}, options, at::kCPU), Error, [](const Error& e) {
    return e.code() == ExitCode::usage && e.hint().find("--q2-mlp-lut-size") != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(fewer_ranks_and_equal_tables_are_possible) {
  const Q4 q4;
  Q2Options options = options_of(LutReduce::weighted_kmeans);
  options.target = {16, 2, 16, 4};
  const Q2Result result = convert(q4, options);
  const std::string text = changes_text(result.changes, options);
  BOOST_TEST(text.find("reduced: MLP scales rank 4 -> 2 (6 linears)") != std::string::npos, text);
  BOOST_TEST(text.find("attention scales of rank 4 (8 linears)") != std::string::npos, text);
  BOOST_TEST(text.find("expanded") == std::string::npos, text);
  BOOST_TEST(error_of(result, false) == 0);
}

BOOST_AUTO_TEST_CASE(what_stays_is_told_where_all_linears_change) {
  Q2Options options = options_of(LutReduce::weighted_kmeans);
  options.target = {4, 8, 4, 8};
  const Q4 q4;
  BOOST_TEST(changes_text(convert(q4, options).changes, options)
                 .starts_with("kept: float weights, norms, embedding and head\nreduced: "));
}

BOOST_AUTO_TEST_CASE(config_has_the_reference_s_keys) {
  const QuantSpec spec(body_linears(nano_files().architecture), preset_scheme("q2a4"), 2);
  const Q2ConfigFacts facts{"nano", {}, "q4a4.pt"};
  const auto reference = nlohmann::ordered_json::parse(
      q2_config(spec, facts, options_of(LutReduce::kmeans_entries, Compat::reference)));
  const auto expected = nlohmann::ordered_json::parse(R"({
    "version": "v2", "model_id": "nano", "converted_from": "q4_a4", "source_checkpoint": "q4a4.pt", "lut_bits": 2,
    "attn_lut_bits": 4, "scale_rank": 32, "attn_scale_rank": 8, "force_positive_scales": false,
    "magnitude_activation": "identity"})");
  BOOST_TEST(reference.dump() == expected.dump());
  const auto ours = nlohmann::json::parse(q2_config(spec, facts, options_of(LutReduce::symmetric)));
  BOOST_TEST(ours.at("config_preset") == "q2a4");
  BOOST_TEST(ours.at("group_size") == 2);
  BOOST_TEST(ours.at("lut_reduce") == "symmetric");
}

BOOST_AUTO_TEST_SUITE_END()
