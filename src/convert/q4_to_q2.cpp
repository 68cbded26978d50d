#include "src/convert/q4_to_q2.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/convert/internal/expand_scales.hpp"
#include "src/convert/internal/layer_tensors_of.hpp"
#include "src/convert/internal/reduce_table.hpp"
#include "src/core/signals.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/layer_type.hpp"

#include <cstddef>
#include <optional>
#include <set>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/tensor.h>

namespace anemll {
namespace {

constexpr const char* kType = "v2";
constexpr const char* kNothingWritten = "nothing was written: run the same command again";

/// For each table entry the sum of the squared scales of the weights that have it: what a shift of the entry
/// does to the weights.
std::vector<double> importance_of(const at::Tensor& indices, const at::Tensor& scales, std::int64_t entries) {
  const at::Tensor sums =
      at::bincount(indices.flatten().to(at::kLong), scales.to(at::kDouble).square().flatten(), entries);
  const auto* values = sums.const_data_ptr<double>();
  return {values, values + sums.numel()};
}

void reduce(LayerTensors& tensors, const QuantLayer& layer, std::int64_t entries, LutReduce how) {
  const at::Tensor table = tensors.at(".lut").contiguous();
  at::Tensor& indices = tensors.at("._indices");
  const std::vector<double> importance = importance_of(indices, scale_matrix(layer), table.numel());
  const ReducedTable reduced =
      reduce_table({table.const_data_ptr<float>(), static_cast<std::size_t>(table.numel())}, importance,
                   entries, how, layer.name());
  const at::Tensor entry_of = at::tensor(reduced.entry_of, at::kByte);
  indices = entry_of.index_select(0, indices.flatten().to(at::kLong)).view(indices.sizes());
  tensors.at(".lut") = at::tensor(reduced.values, at::kFloat);
}

LayerTensors convert_layer(QuantLayer& layer, const LinearQuant& to, const Q2Options& options,
                           std::uint64_t stream) {
  const LinearQuant from = layer.quant();
  LayerTensors tensors = tensors_of(layer);
  if (to.lut_size < from.lut_size) reduce(tensors, layer, to.lut_size, options.reduce);
  ScaleSet scales = with_rank({tensors.at(".scale_A"), tensors.at(".scale_B"), tensors.at(".rank_magnitude")},
                              to.rank, options.seed, stream, options.compat == Compat::reference);
  tensors.at(".scale_A") = std::move(scales.a);
  tensors.at(".scale_B") = std::move(scales.b);
  tensors.at(".rank_magnitude") = std::move(scales.g);
  return tensors;
}

/// The target's numbers with all else as the old linear has it.
LinearQuant target_of(const LinearQuant& from, bool mlp, const QuantScheme& target,
                      const std::string& linear) {
  if (from.type != kType)
    throw_data("is of layer type " + from.type, linear, "only V2 linears can be converted");
  LinearQuant to = from;
  const LinearNumbers numbers = target.of(linear, mlp);
  to.lut_size = numbers.lut;
  to.rank = numbers.rank;
  if (to.lut_size > from.lut_size) {
    throw_usage("a table of " + std::to_string(from.lut_size) + " entries cannot become one of " +
                    std::to_string(to.lut_size),
                linear,
                std::string("give a smaller ") + (mlp ? "--q2-mlp-lut-size" : "--q2-attn-lut-size") +
                    ": tables are only reduced");
  }
  return to;
}

/// A file that has none of the model's layers is another file: nothing of it would be converted.
void require_v2(const V2Checkpoint& checkpoint, const std::vector<LinearSpec>& linears) {
  const auto find = [&checkpoint](const std::string& name) { return checkpoint.tensors.find(name); };
  bool some = false;
  for (const LinearSpec& linear : linears) {
    const std::optional<LinearQuant> found = recognise_layer(find, linear.name, checkpoint.file);
    if (!found) continue;
    if (found->type != kType)
      throw_data("holds layers of type " + found->type + ", " + linear.name + " among them", checkpoint.file,
                 "anemll_convert v1-to-v2 makes a V2 file of a V1 file");
    some = true;
  }
  if (!some)
    throw_data("holds no V2 layer of this model", checkpoint.file,
               "give a trained V2 checkpoint, and its own model as --model-id");
}

double relative_error(const QuantLayer& now, const QuantLayer& before) {
  const at::Tensor old = before.effective_weight(at::kFloat).cpu();
  const double norm = old.norm().item<double>();
  return norm > 0 ? now.effective_weight(at::kFloat).cpu().sub(old).norm().item<double>() / norm : 0;
}

}  // namespace

std::vector<std::string> add_missing_linears(V2Checkpoint& checkpoint, const ModelFiles& model,
                                             const QuantScheme& target) {
  const std::vector<LinearSpec> linears = body_linears(model.architecture);
  require_v2(checkpoint, linears);
  std::vector<std::string> started;
  const std::int64_t group_size = checkpoint.keys.group_size.value_or(LinearQuant().group_size);
  const QuantSpec spec(linears, target, group_size);
  for (std::size_t i = 0; i < linears.size(); ++i) {
    const QuantSpec::Entry& entry = spec.entries()[i];
    if (checkpoint.tensors.contains(entry.linear + ".scale_A")) continue;
    leave_on_signal("starting linears that the checkpoint lacks", kNothingWritten);
    const std::string key = entry.linear + ".weight";
    const HostTensor* own = checkpoint.tensors.find(key);
    const HostTensor& weight = own != nullptr ? *own : *model.tensors.find(key);
    if (weight.shape != std::vector<std::int64_t>{linears[i].out, linears[i].in} ||
        !is_floating(weight.dtype))
      throw_data(key + " is " + weight.describe() + ", not of the model's shape", checkpoint.file,
                 "give the checkpoint's own model as --model-id");
    LayerDraft draft = layer_type(kType).start(as_torch(weight), entry.quant, {});
    for (const std::string& warning : draft.warnings) log_warning(entry.linear + ": " + warning);
    for (const auto& [suffix, tensor] : draft.tensors)
      checkpoint.tensors.set(entry.linear + suffix, as_host(tensor));
    started.push_back(entry.linear);
  }
  return started;
}

Q2Result convert_q4_to_q2(Student& q4, const std::vector<std::string>& started, const Q2Options& options,
                          at::Device device) {
  const at::NoGradGuard no_grad;
  const std::set<std::string> made(started.begin(), started.end());
  QuantSpec spec = q4.spec();
  std::vector<Q2Change> changes;
  for (QuantSpec::Entry& entry : spec.entries()) {
    const LinearQuant from = entry.quant;
    entry.quant = target_of(from, entry.mlp, options.target, entry.linear);
    changes.push_back({entry.linear, entry.mlp, made.contains(entry.linear), from, entry.quant, 0});
  }
  TensorMap tensors;
  Progress bar("converting", static_cast<std::int64_t>(changes.size()), "linears");
  for (std::size_t i = 0; i < changes.size(); ++i) {
    leave_on_signal("converting", kNothingWritten);
    for (const auto& [suffix, tensor] : convert_layer(*q4.layers()[i], changes[i].to, options, i))
      tensors.set(changes[i].linear + suffix, as_host(tensor));
    bar.update(static_cast<std::int64_t>(i) + 1);
  }
  bar.finish();
  Student q2 = Student::from_tensors(q4.files(), spec, tensors, device, "the converted model");
  for (std::size_t i = 0; i < changes.size(); ++i)
    changes[i].weight_error = relative_error(*q2.layers()[i], *q4.layers()[i]);
  return {std::move(q2), std::move(changes)};
}

std::vector<LazyTensor> q2_state_dict(const Student& q2, Compat compat) {
  std::vector<LazyTensor> entries = q2.reference_state_dict(false, nullptr);
  if (compat == Compat::reference)
    std::erase_if(entries, [](const LazyTensor& entry) { return entry.name.ends_with("._Q"); });
  return entries;
}

}  // namespace anemll
