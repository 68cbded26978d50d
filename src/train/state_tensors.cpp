#include "src/train/internal/state_tensors.hpp"

#include "anemll/core/error.hpp"
#include "src/model/torch_bridge.hpp"

#include <algorithm>

#include <ATen/core/grad_mode.h>

namespace anemll {
namespace {

/// `flat`'s range of one parameter in the parameter's shape.
at::Tensor range(const FlatParameters::Item& item, const at::Tensor& flat) {
  return flat.narrow(0, item.offset, item.numel).view(item.shape);
}

/// The same, on the CPU when the writer asks.
LazyTensor range_of(const FlatParameters::Item& item, const at::Tensor& flat, const std::string& suffix) {
  LazyTensor out;
  out.name = item.name + suffix;
  out.dtype = DType::f32;
  out.shape = item.shape;
  out.make = [view = range(item, flat)] { return as_host(view.detach().cpu()); };
  return out;
}

/// The saved tensor, which must have this type and shape.
const HostTensor& saved_tensor(const TensorMap& from, const std::string& name, DType dtype,
                               at::IntArrayRef shape, const std::string& folder) {
  const HostTensor* saved = from.find(name);
  const std::string hint = "the checkpoint belongs to a run with other settings; start without --resume";
  if (saved == nullptr) throw_data("has no tensor " + name, folder, hint);
  if (saved->dtype != dtype || !shape.equals(saved->shape))
    throw_data(name + " is " + saved->describe() + ", not of the model's shape", folder, hint);
  return *saved;
}

/// Of a saved moment what lies in this rank's share; `part` is that share of the flat buffer.
void copy_share(const HostTensor& saved, const FlatParameters::Item& item, const OptimizerShare& share,
                const at::Tensor& part) {
  const std::int64_t begin = std::max(item.offset, share.begin());
  const std::int64_t end = std::min(item.offset + item.numel, share.end());
  if (begin >= end) return;
  part.narrow(0, begin - share.begin(), end - begin)
      .copy_(as_torch(saved).reshape({-1}).narrow(0, begin - item.offset, end - begin));
}

}  // namespace

std::vector<LazyTensor> parameter_tensors(const Selection& selection) {
  FlatParameters& parameters = *selection.parameters;
  std::vector<LazyTensor> out;
  for (const auto& item : parameters.items()) out.push_back(range_of(item, parameters.values(), ""));
  for (const Selection::Codes& code : selection.codes) {
    out.push_back({code.name,
                   from_torch(code.slot->scalar_type()),
                   code.slot->sizes().vec(),
                   [values = *code.slot] { return as_host(values.cpu()); },
                   {}});
  }
  return out;
}

std::vector<LazyTensor> moment_tensors(const FlatParameters& parameters, const Moments& moments) {
  std::vector<LazyTensor> out;
  for (const auto& item : parameters.items()) {
    out.push_back(range_of(item, moments.first, ".exp_avg"));
    out.push_back(range_of(item, moments.second, ".exp_avg_sq"));
  }
  return out;
}

void restore_parameters(const TensorMap& saved, Selection& selection, const std::string& folder) {
  const at::NoGradGuard no_grad;
  for (const auto& item : selection.parameters->items())
    range(item, selection.parameters->values())
        .copy_(as_torch(saved_tensor(saved, item.name, DType::f32, item.shape, folder)));
  for (const Selection::Codes& code : selection.codes) {
    const DType dtype = from_torch(code.slot->scalar_type());
    code.slot->copy_(as_torch(saved_tensor(saved, code.name, dtype, code.slot->sizes(), folder)));
  }
}

void restore_tensors(const SavedState& state, Selection& selection, AdamW& optimizer,
                     const OptimizerShare& share) {
  const at::NoGradGuard no_grad;
  const std::string folder = state.folder.string();
  restore_parameters(state.parameters, selection, folder);
  for (const auto& item : selection.parameters->items()) {
    const auto back = [&](const char* suffix, const at::Tensor& part) {
      copy_share(saved_tensor(state.optimizer, item.name + suffix, DType::f32, item.shape, folder), item,
                 share, part);
    };
    back(".exp_avg", optimizer.m);
    back(".exp_avg_sq", optimizer.v);
  }
}

}  // namespace anemll
