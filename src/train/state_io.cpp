#include "src/train/state_io.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/rng.hpp"
#include "src/model/torch_bridge.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using nlohmann::json;

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

void copy_back(const TensorMap& from, const std::string& name, DType dtype, at::IntArrayRef shape,
               const at::Tensor& to, const std::string& folder) {
  const HostTensor* saved = from.find(name);
  const std::string hint = "the checkpoint belongs to a run with other settings; start without --resume";
  if (saved == nullptr) throw_data("has no tensor " + name, folder, hint);
  if (saved->dtype != dtype || !shape.equals(saved->shape))
    throw_data(name + " is " + saved->describe() + ", not of the model's shape", folder, hint);
  to.copy_(as_torch(*saved));
}

/// Bytes of a tensor as one number; where they lie counts.
std::uint64_t hash_of(const at::Tensor& values) {
  const at::Tensor host = values.detach().cpu().contiguous();
  const auto* data = static_cast<const std::byte*>(host.const_data_ptr());
  const std::size_t size = host.nbytes();
  std::uint64_t hash = 0;
  for (std::size_t at = 0; at < size; at += sizeof(std::uint32_t)) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, data + at, std::min(sizeof(bits), size - at));
    hash += mix64(bits ^ (static_cast<std::uint64_t>(at / sizeof(bits)) << 32U));
  }
  return hash;
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

std::vector<LazyTensor> moment_tensors(FlatParameters& parameters, AdamW& optimizer) {
  std::vector<LazyTensor> out;
  for (const auto& item : parameters.items()) {
    out.push_back(range_of(item, optimizer.m, ".exp_avg"));
    out.push_back(range_of(item, optimizer.v, ".exp_avg_sq"));
  }
  return out;
}

void restore_parameters(const TensorMap& saved, Selection& selection, const std::string& folder) {
  const at::NoGradGuard no_grad;
  for (const auto& item : selection.parameters->items())
    copy_back(saved, item.name, DType::f32, item.shape, range(item, selection.parameters->values()), folder);
  for (const Selection::Codes& code : selection.codes) {
    copy_back(saved, code.name, from_torch(code.slot->scalar_type()), code.slot->sizes(), *code.slot, folder);
  }
}

void restore_tensors(const StateStore::Loaded& state, Selection& selection, AdamW& optimizer) {
  const at::NoGradGuard no_grad;
  const std::string folder = state.folder.string();
  restore_parameters(state.parameters, selection, folder);
  for (const auto& item : selection.parameters->items()) {
    const auto back = [&](const char* suffix, const at::Tensor& flat) {
      copy_back(state.optimizer, item.name + suffix, DType::f32, item.shape, range(item, flat), folder);
    };
    back(".exp_avg", optimizer.m);
    back(".exp_avg_sq", optimizer.v);
  }
}

std::string trainer_json(const RunState& state, const std::string& identity, const std::string& options) {
  const json object = {{"state", json::parse(state.to_json())},
                       {"identity", json::parse(identity)},
                       {"options", json::parse(options)}};
  return object.dump(2) + "\n";
}

RunState run_state_of(const StateStore::Loaded& state) {
  try {
    return RunState::from_json(json::parse(state.trainer_json).at("state").dump());
  } catch (const json::exception& e) {
    throw_data(std::string("trainer.json is not readable: ") + e.what(), state.folder.string(),
               "start without --resume");
  }
}

void check_replicas(Communicator& comm, const Selection& selection) {
  if (comm.size() == 1) return;
  std::uint64_t hash = hash_of(selection.parameters->values());
  for (const Selection::Codes& code : selection.codes) hash = mix64(hash + hash_of(*code.slot));
  std::int64_t lowest[] = {static_cast<std::int64_t>(hash)};
  std::int64_t highest[] = {static_cast<std::int64_t>(hash)};
  comm.all_reduce(std::span<std::int64_t>(lowest), ReduceOp::min);
  comm.all_reduce(std::span<std::int64_t>(highest), ReduceOp::max);
  if (lowest[0] != highest[0]) {
    throw_comm("the ranks' parameters have drifted apart", "parameter hash",
               "the ranks have the same options, build and files, so their processors or libraries compute "
               "differently: use equal machines, or --precision fp32; the last checkpoint is still good");
  }
}

}  // namespace anemll
