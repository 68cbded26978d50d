// What is done to the layers of a model: made, loaded, frozen, rounded, and how they multiply.
#include "anemll/core/log.hpp"
#include "src/api/internal/model_impl.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/ste.hpp"
#include "src/student/layer_overrides_option.hpp"
#include "src/student/v2_checkpoint.hpp"

#include <utility>

#include <ATen/core/Tensor.h>

namespace anemll {
namespace {

/// A model in memory, as the checkpoint that it would be.
V2Checkpoint in_memory(const std::vector<LazyTensor>& tensors, const std::string& name, bool with_q) {
  V2Checkpoint checkpoint;
  checkpoint.file = name;
  for (const LazyTensor& tensor : tensors) {
    if (!with_q && tensor.name.ends_with("._Q")) continue;
    checkpoint.tensors.set(
        tensor.name, tensor.alias_of.empty() ? tensor.make() : *checkpoint.tensors.find(tensor.alias_of));
  }
  return checkpoint;
}

QuantWishes wishes_of(const ReplaceOptions& options) {
  QuantWishes wishes;
  wishes.preset = options.config.value_or("");
  wishes.overrides = {options.mlp_lut, options.mlp_rank, options.attn_lut, options.attn_rank};
  wish_layer_overrides(options.layer_overrides, wishes);
  wishes.group_size = options.group_size;
  wishes.positive_scales = options.positive_scales;
  return wishes;
}

/// As in a baked snap: what is called the weight are table values.
bool holds_q_as_weight(const V2Checkpoint& checkpoint, const QuantSpec& spec) {
  for (const QuantSpec::Entry& entry : spec.entries()) {
    const HostTensor* weight = checkpoint.tensors.find(entry.linear + ".weight");
    const HostTensor* q = checkpoint.tensors.find(entry.linear + "._Q");
    if (weight == nullptr || q == nullptr) continue;
    return weight->shape == q->shape && as_torch(*weight).to(at::kFloat).equal(as_torch(*q).to(at::kFloat));
  }
  return false;
}

void require_same_scheme(const QuantSpec& here, const QuantSpec& there, const std::string& file) {
  for (std::size_t i = 0; i < here.entries().size(); ++i) {
    const QuantSpec::Entry &mine = here.entries()[i], &theirs = there.entries()[i];
    if (mine.quant.type == theirs.quant.type && mine.quant.lut_size == theirs.quant.lut_size &&
        mine.quant.rank == theirs.quant.rank)
      continue;
    throw_data(strf("%s has %lld table entries and rank %lld, the model %lld and %lld", mine.linear.c_str(),
                    static_cast<long long>(theirs.quant.lut_size), static_cast<long long>(theirs.quant.rank),
                    static_cast<long long>(mine.quant.lut_size), static_cast<long long>(mine.quant.rank)),
               file, "load it into a model whose linears were not replaced: its shapes then count");
  }
}

}  // namespace

std::int64_t replace_linear_with_anemll_v2(Model& model, const ReplaceOptions& options) {
  return as_errors([&] {
    Model::Impl& impl = model.impl();
    if (model.quantised())
      throw_usage("the linears are V2 layers already", "replace_linear_with_anemll_v2",
                  "open the model again to start anew");
    if (options.group_size < 1)
      throw_usage(strf("group_size %lld", static_cast<long long>(options.group_size)),
                  "replace_linear_with_anemll_v2", "give at least 1");
    const ResolvedQuant quant = scratch_quant(impl.given.base.architecture, wishes_of(options));
    for (const std::string& warning : quant.warnings) log_warning(warning);
    const auto alone = make_single_communicator();
    Student made =
        Student::from_scratch(impl.given.base, quant.spec,
                              {options.svd_floor, options.fast_init, options.ste}, impl.device, *alone);
    impl.ste = options.ste;
    impl.given.source = "scratch";
    impl.take(std::move(made));
    return impl.layers();
  });
}

std::int64_t freeze_Q_all(Model& model) {
  return as_errors([&] {
    Model::Impl& impl = model.impl();
    const Student& student = impl.student("freeze_Q_all");
    if (!impl.has_float_weights)
      throw_usage("the float weights are gone: the model is a snapped one", "freeze_Q_all",
                  "load the checkpoint that was snapped");
    // A checkpoint without indices gets them from weights and scales.
    const V2Checkpoint bare =
        in_memory(student.reference_state_dict(/*half=*/false, nullptr), "the model", /*with_q=*/false);
    impl.take(Student::from_checkpoint(impl.given.base, bare, student.spec(), impl.ste, impl.device));
    impl.frozen = true;
    return impl.layers();
  });
}

LoadedCheckpoint load_v2_checkpoint(Model& model, const std::filesystem::path& file) {
  return as_errors([&] {
    Model::Impl& impl = model.impl();
    const V2Checkpoint checkpoint = open_v2_checkpoint(file);
    refuse_adapters(checkpoint);
    const ResolvedQuant quant = checkpoint_quant(checkpoint, impl.given.base.architecture, {});
    if (model.quantised()) require_same_scheme(impl.given.student->spec(), quant.spec, checkpoint.file);
    for (const std::string& warning : quant.warnings) log_warning(warning);
    Student made =
        Student::from_checkpoint(impl.given.base, checkpoint, quant.spec, /*ste=*/true, impl.device);
    LoadedCheckpoint loaded;
    for (const QuantSpec::Entry& entry : quant.spec.entries())
      loaded.with_q += checkpoint.tensors.contains(entry.linear + "._Q") ? 1 : 0;
    impl.checkpoint = impl.given.source = file.string();
    impl.has_float_weights = !holds_q_as_weight(checkpoint, quant.spec);
    impl.frozen = true;
    impl.take(std::move(made));
    loaded.layers = impl.layers();
    return loaded;
  });
}

std::int64_t convert_model_to_fp16_v2(Model& model) {
  return as_errors([&] {
    Model::Impl& impl = model.impl();
    const Student& student = impl.student("convert_model_to_fp16_v2");
    CastCounts counts;
    const V2Checkpoint halves = in_memory(
        student.reference_state_dict(/*half=*/true, &counts, /*with_indices=*/true), "the model", true);
    if (counts.saturated > 0)
      log_warning(
          strf("%lld values were clamped to the half range", static_cast<long long>(counts.saturated)));
    impl.take(Student::from_checkpoint(impl.given.base, halves, student.spec(), impl.ste, impl.device));
    return impl.layers();
  });
}

at::Tensor ste_fp16(const at::Tensor& x) {
  return as_errors([&] {
    if (!x.defined() || !x.is_floating_point())
      throw_usage("x is no tensor of floats", "ste_fp16", "give float32, bfloat16 or float16");
    return round_half_ste(x);
  });
}

std::int64_t set_factored_inference_v2(Model& model, bool enabled) {
  Model::Impl& impl = model.impl();
  impl.student("set_factored_inference_v2");
  impl.factored = enabled;
  impl.set_numerics();
  return impl.layers();
}

std::int64_t set_batched_forward_v2(Model& model, std::optional<bool> enabled) {
  Model::Impl& impl = model.impl();
  impl.student("set_batched_forward_v2");
  impl.batched = enabled;
  impl.set_numerics();
  return impl.layers();
}

}  // namespace anemll
