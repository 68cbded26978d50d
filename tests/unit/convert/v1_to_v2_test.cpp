// V1 models as V2 models on nano: what shapes decide, what is started, factored and expanded, and what is
// refused.
#include "src/convert/v1_to_v2.hpp"

#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/model/torch_bridge.hpp"
#include "tests/unit/convert/q4_checkpoint.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

const std::string kUp = "model.layers.0.mlp.up_proj";
const std::string kQuery = "model.layers.1.self_attn.q_proj";

/// Rank 4, group size 2; of `full` a scale for each weight.
QuantSpec v1_spec(const std::string& full = {}) {
  QuantSpec spec(body_linears(nano_files().architecture), {4, 4, 16, 4}, 2);
  for (QuantSpec::Entry& entry : spec.entries()) {
    entry.quant.type = "v1";
    if (entry.linear == full) entry.quant.rank = 0;
  }
  return spec;
}

Student v1_student(const QuantSpec& spec) {
  return Student::from_scratch(nano_files(), spec, {}, at::kCPU, *make_single_communicator());
}

/// As a file would be opened.
V2Checkpoint v1_checkpoint(const std::string& full = {}) {
  V2Checkpoint checkpoint;
  checkpoint.file = "run/best_state_dict.pt";
  const Student student = v1_student(v1_spec(full));
  for (const LazyTensor& entry : student.reference_state_dict(false, nullptr))
    if (entry.alias_of.empty()) checkpoint.tensors.set(entry.name, entry.make());
  checkpoint.keys.group_size = 2;
  return checkpoint;
}

void leave_float(V2Checkpoint& checkpoint, const std::string& linear) {
  for (const char* suffix : {".scale_A", ".scale_B", ".lut"})
    BOOST_TEST(checkpoint.tensors.erase(linear + suffix), linear + suffix);
}

V1Plan plan_of(const V2Checkpoint& v1, const QuantWishes& wishes = {}, bool expand_rank = false) {
  return plan_v1_to_v2(v1, nano_files().architecture, wishes, expand_rank);
}

Student converted(const V2Checkpoint& v1, const V1Plan& plan) {
  const V2Checkpoint made = convert_v1_to_v2(v1, nano_files(), plan, {}, *make_single_communicator());
  return Student::from_checkpoint(nano_files(), made, plan.to, false, at::kCPU);
}

Student original(const V2Checkpoint& v1, const V1Plan& plan) {
  return Student::from_checkpoint(nano_files(), v1, plan.from, false, at::kCPU);
}

at::Tensor weight_of(const Student& student, const std::string& linear) {
  for (const QuantLayer* layer : student.layers())
    if (layer->name() == linear) return layer->effective_weight(at::kFloat);
  return {};
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).norm().item<double>() / b.norm().item<double>();
}

/// The error that `work` must end with.
Error failure(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  BOOST_FAIL("no error");
  return Error(ExitCode::usage, "", "", "");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(v1_to_v2)

BOOST_AUTO_TEST_CASE(shapes_decide_and_the_rank_stays) {
  const V2Checkpoint v1 = v1_checkpoint();
  const V1Plan plan = plan_of(v1);
  BOOST_TEST(plan.to.describe() == "MLP 4 entries rank 4, attention 16 entries rank 4");
  BOOST_TEST(plan.to.of(kUp).type == "v2");
  BOOST_TEST(plan.from.of(kUp).type == "v1");
  BOOST_TEST(plan.to.group_size() == 2);
  BOOST_TEST(plan.contradictions.empty());
  BOOST_TEST(plan.warnings.empty());
  Student before = original(v1, plan), after = converted(v1, plan);
  BOOST_TEST((after.spec() == plan.to));
  const std::vector<ScaleDifference> scales = compare_scales(before, after);
  BOOST_TEST(scales.size() == 14U);
  for (const ScaleDifference& d : scales) {
    BOOST_TEST(d.kept_rank, d.linear);
    BOOST_TEST(d.error < 1e-4, d.linear);
    BOOST_TEST(d.raised * 20 < d.weights, d.linear);
  }
  // Of the same scales the nearest entry is at least as good as V1's grid.
  for (const QuantSpec::Entry& entry : plan.to.entries()) {
    const at::Tensor weight = as_torch(*v1.tensors.find(entry.linear + ".weight")).to(at::kFloat);
    BOOST_TEST(distance(weight_of(after, entry.linear), weight) <=
                   1.01 * distance(weight_of(before, entry.linear), weight),
               entry.linear);
  }
}

BOOST_AUTO_TEST_CASE(the_file_has_all_keys_and_v1_s_own_weights) {
  V2Checkpoint v1 = v1_checkpoint();
  const at::Tensor weight = as_torch(*v1.tensors.find(kUp + ".weight")).mul(1.25);
  const at::Tensor norm = as_torch(*v1.tensors.find("model.norm.weight")).to(at::kFloat).mul(0.5);
  v1.tensors.set(kUp + ".weight", as_host(weight));
  v1.tensors.set("model.norm.weight", as_host(norm));
  const Student student = converted(v1, plan_of(v1));
  std::map<std::string, at::Tensor> written;
  for (const LazyTensor& entry : student.reference_state_dict(false, nullptr, /*with_indices=*/true))
    if (entry.alias_of.empty()) written[entry.name] = as_torch(entry.make());
  for (const char* suffix : {".weight", ".scale_A", ".scale_B", ".rank_magnitude", ".lut", "._Q", "._indices",
                             "._scales_baked_flag"})
    BOOST_TEST(written.contains(kUp + suffix), suffix);
  BOOST_TEST(written.contains("model.embed_tokens.weight"));
  BOOST_TEST(written.at(kUp + ".weight").equal(weight));
  BOOST_TEST(written.at("model.norm.weight").equal(norm));
  const at::Tensor indices = written.at(kUp + "._indices").to(at::kLong);
  BOOST_TEST(written.at(kUp + "._Q")
                 .equal(written.at(kUp + ".lut").index_select(0, indices.flatten()).view(indices.sizes())));
  // A state keeps both, so that a run that goes on writes them too.
  std::map<std::string, at::Tensor> kept;
  for (const LazyTensor& entry : student.frozen_tensors({})) kept[entry.name] = as_torch(entry.make());
  BOOST_REQUIRE(kept.contains(kUp + ".weight"));
  BOOST_TEST(kept.at(kUp + ".weight").equal(weight));
  BOOST_TEST(kept.at("model.norm.weight").equal(norm));
  BOOST_TEST(!kept.contains(kQuery + ".weight"));  // the model folder's
}

BOOST_AUTO_TEST_CASE(a_linear_that_v1_left_float_is_started) {
  V2Checkpoint v1 = v1_checkpoint();
  leave_float(v1, kQuery);
  const at::Tensor weight = as_torch(*v1.tensors.find(kQuery + ".weight")).mul(2);
  v1.tensors.set(kQuery + ".weight", as_host(weight));
  const V1Plan plan = plan_of(v1);
  BOOST_TEST(plan.from.of(kQuery).type == "float");
  BOOST_TEST(plan.to.of(kQuery).describe() == "16 entries rank 8");  // of q2a4
  BOOST_TEST(plan.to.of(kUp).describe() == "4 entries rank 4");
  Student before = original(v1, plan), after = converted(v1, plan);
  // As from scratch, of the file's weight.
  const LinearSpec linear = {kQuery, weight.size(0), weight.size(1), false, false};
  const LinearQuant& quant = plan.to.of(kQuery);
  const LayerType& type = layer_type("v2");
  const auto started = type.make(linear, quant, type.start(weight, quant, {}).tensors);
  BOOST_TEST(weight_of(after, kQuery).equal(started->effective_weight(at::kFloat)));
  BOOST_TEST(compare_scales(before, after).size() == 13U);
  QuantWishes wishes;
  wishes.overrides.attn_rank = 4;
  wishes.overrides.attn_lut = 16;
  BOOST_TEST(plan_of(v1, wishes).to.of(kQuery).rank == 4);
}

BOOST_AUTO_TEST_CASE(full_scales_get_the_preset_s_rank) {
  const V2Checkpoint v1 = v1_checkpoint(kUp);
  const V1Plan plan = plan_of(v1);
  BOOST_TEST(plan.from.of(kUp).rank == 0);
  BOOST_TEST(plan.to.of(kUp).rank == 32);
  Student before = original(v1, plan), after = converted(v1, plan);
  for (const ScaleDifference& d : compare_scales(before, after)) {
    BOOST_TEST(d.kept_rank == (d.linear != kUp), d.linear);
    if (d.linear == kUp) BOOST_TEST(d.error < 1e-4);  // 32 groups have no more ranks than that
  }
  QuantWishes wishes;
  wishes.overrides.mlp_rank = 4;  // what V1's other linears have
  const V1Plan smaller = plan_of(v1, wishes);
  BOOST_TEST(smaller.to.of(kUp).rank == 4);
  BOOST_TEST(smaller.contradictions.empty());
  wishes.overrides.mlp_rank = 1000;
  BOOST_TEST(plan_of(v1, wishes, true).to.of(kUp).rank == 64);  // the smaller side
}

BOOST_AUTO_TEST_CASE(ranks_grow_where_asked) {
  const V2Checkpoint v1 = v1_checkpoint();
  const V1Plan plain = plan_of(v1);
  const V1Plan plan = plan_of(v1, {}, true);
  BOOST_TEST(plan.to.describe() == "MLP 4 entries rank 32, attention 16 entries rank 8");
  const Student same = converted(v1, plain);
  Student before = original(v1, plan), after = converted(v1, plan);
  for (const ScaleDifference& d : compare_scales(before, after)) {
    BOOST_TEST(!d.kept_rank, d.linear);
    BOOST_TEST(d.error < 0.1, d.linear);
    BOOST_TEST(d.error > 0, d.linear);
    BOOST_TEST(distance(weight_of(after, d.linear), weight_of(same, d.linear)) < 0.1, d.linear);
  }
  QuantWishes smaller;
  smaller.overrides = {4, 2, 16, 2};
  BOOST_TEST(plan_of(v1, smaller, true).to.usual().mlp_rank == 4);  // ranks never shrink
}

BOOST_AUTO_TEST_CASE(what_is_asked_otherwise_is_known) {
  const V2Checkpoint v1 = v1_checkpoint();
  QuantWishes wishes;
  wishes.overrides.mlp_rank = 16;
  wishes.overrides.attn_lut = 4;
  const V1Plan plan = plan_of(v1, wishes);
  BOOST_REQUIRE(plan.contradictions.size() == 2U);
  BOOST_TEST(!plan.contradictions[0].mlp);  // attention stands first in a layer
  BOOST_TEST(plan.contradictions[0].table);
  BOOST_TEST(plan.contradictions[0].has == 16);
  BOOST_TEST(plan.contradictions[1].mlp);
  BOOST_TEST(!plan.contradictions[1].table);
  BOOST_TEST(plan.contradictions[1].wanted == 16);
  BOOST_TEST(plan.contradictions[1].has == 4);
  wishes.overrides.attn_lut.reset();
  BOOST_TEST(plan_of(v1, wishes, true).contradictions.empty());
  wishes = {};
  wishes.preset = "q2a4";
  BOOST_REQUIRE(plan_of(v1, wishes).warnings.size() == 1U);
  BOOST_TEST(plan_of(v1, wishes).warnings[0].find("--config q2a4 says MLP 4 entries rank 32") == 0U);
  BOOST_TEST(plan_of(v1, wishes, true).warnings.empty());
}

BOOST_AUTO_TEST_CASE(snapped_weights_are_those_of_the_last_file_alone) {
  const TempDir dir;
  const std::vector<LazyTensor> one = {lazy("w", as_host(at::zeros({1})))};
  write_file(dir / "config.json", R"({"quantize_attn": true, "snapped": true, "snapped_mode": "lut"})");
  for (const char* name : {"best_state_dict.pt", "checkpoint_step2.pt", "model_state_dict.pt"}) {
    write_torch_file(dir / name, one);
    const bool last = std::string(name) == "model_state_dict.pt";
    BOOST_TEST((open_v2_checkpoint(dir / name).keys.snapped == (last ? V1Snap::lut : V1Snap::none)), name);
  }
}

BOOST_AUTO_TEST_CASE(a_snap_to_table_values_gives_its_weights_too) {
  V2Checkpoint v1 = v1_checkpoint();
  v1.keys.snapped = V1Snap::lut;
  // The last file of a run, with table values in the place of weights.
  const Student student = v1_student(v1_spec());
  for (const QuantLayer* layer : student.layers()) {
    for (const LazyTensor& entry : layer->snapped(V1Snap::lut)->checkpoint_entries({}, false))
      v1.tensors.set(entry.name, entry.make());
  }
  v1.file = "run/model_state_dict.pt";
  const V1Plan plan = plan_of(v1);
  BOOST_TEST((plan.from.of(kUp).snapped == V1Snap::lut));
  const V2Checkpoint made = convert_v1_to_v2(v1, nano_files(), plan, {}, *make_single_communicator());
  const at::Tensor weight = as_torch(*made.tensors.find(kUp + ".weight"));
  BOOST_TEST(distance(weight, weight_of(student, kUp)) < 1e-6);  // what V1 computed with
  const Student after = Student::from_checkpoint(nano_files(), made, plan.to, false, at::kCPU);
  BOOST_TEST(distance(weight_of(after, kUp), weight) < 0.02);  // but for scales that V1 raised
}

BOOST_AUTO_TEST_CASE(all_ranks_hold_what_rank_0_made) {
  V2Checkpoint v1 = v1_checkpoint();
  leave_float(v1, kQuery);
  const V1Plan plan = plan_of(v1, {}, true);
  const V2Checkpoint alone = convert_v1_to_v2(v1, nano_files(), plan, {}, *make_single_communicator());
  std::mutex mutex;  // Boost's checks are not for several threads at once
  run_local_ranks(3, [&](Communicator& comm) {
    const V2Checkpoint mine = convert_v1_to_v2(v1, nano_files(), plan, {}, comm);
    const std::lock_guard<std::mutex> lock(mutex);
    BOOST_TEST(mine.tensors.size() == alone.tensors.size());
    for (const auto& [name, tensor] : alone.tensors) {
      const HostTensor* other = mine.tensors.find(name);
      BOOST_TEST((other != nullptr && as_torch(*other).equal(as_torch(tensor))), name);
    }
  });
}

BOOST_AUTO_TEST_CASE(what_the_file_holds_beyond_is_left_out_and_told) {
  V2Checkpoint v1 = v1_checkpoint();
  const V1Plan plan = plan_of(v1);
  BOOST_TEST(v1_inventory(v1, nano_files().architecture, plan).count(Fate::left_out) == 0);
  v1.tensors.set("model.layers.0.mlp.router.weight", as_host(at::zeros({2, 2})));
  v1.tensors.set(kUp + "._cached_weight_q", as_host(at::zeros({96, 64})));
  const Inventory inventory = v1_inventory(v1, nano_files().architecture, plan);
  BOOST_TEST(inventory.count(Fate::left_out) == 1);
  BOOST_TEST(inventory.count(Fate::compared) == 1);
  BOOST_TEST(inventory.left_out_lines().at(0).find("router") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(other_files_are_refused) {
  V2Checkpoint v2 = v1_checkpoint();
  v2.tensors.set(kUp + ".rank_magnitude", as_host(at::zeros({4})));
  const Error other = failure([&] { plan_of(v2); });
  BOOST_TEST((other.code() == ExitCode::data));
  BOOST_TEST(other.problem().find("layers of type v2") != std::string::npos, other.problem());
  BOOST_TEST(other.hint().find("--v2-checkpoint") != std::string::npos);

  V2Checkpoint plain;
  plain.file = "model.pt";
  const Error none = failure([&] { plan_of(plain); });
  BOOST_TEST((none.code() == ExitCode::data));
  BOOST_TEST(none.problem() == "holds no V1 layer of this model");

  V2Checkpoint damaged = v1_checkpoint();
  const V1Plan plan = plan_of(damaged);
  damaged.tensors.set(kUp + ".scale_A", as_host(at::zeros({95, 4})));
  const Error shape =
      failure([&] { convert_v1_to_v2(damaged, nano_files(), plan, {}, *make_single_communicator()); });
  BOOST_TEST((shape.code() == ExitCode::data));
  BOOST_TEST(shape.problem().find(kUp + ".scale_A") != std::string::npos, shape.problem());
}

BOOST_AUTO_TEST_CASE(a_folder_means_the_file_in_it) {
  const TempDir dir;
  BOOST_TEST((v1_file(dir / "x.pt") == dir / "x.pt"));
  BOOST_TEST((failure([&] { v1_file(dir.path()); }).code() == ExitCode::data));
  write_torch_file(dir / "best_state_dict.pt", {});
  BOOST_TEST((v1_file(dir.path()) == dir / "best_state_dict.pt"));
  write_torch_file(dir / "model_state_dict.pt", {});
  BOOST_TEST((v1_file(dir.path()) == dir / "model_state_dict.pt"));
}

BOOST_AUTO_TEST_SUITE_END()
