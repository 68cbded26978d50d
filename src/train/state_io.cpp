#include "src/train/state_io.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/rng.hpp"
#include "src/model/torch_bridge.hpp"

#include <cstring>

#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using nlohmann::json;

/// `flat`'s range of one parameter in the parameter's shape, on the CPU when the writer asks.
LazyTensor range_of(const FlatParameters::Item& item, const at::Tensor& flat, const std::string& suffix) {
  LazyTensor out;
  out.name = item.name + suffix;
  out.dtype = DType::f32;
  out.shape = item.slot->sizes().vec();
  out.make = [view = flat.narrow(0, item.offset, item.numel).view(item.slot->sizes())] {
    return as_host(view.detach().cpu());
  };
  return out;
}

void copy_back(const TensorMap& from, const std::string& name, const FlatParameters::Item& item,
               const at::Tensor& flat, const std::string& folder) {
  const HostTensor* saved = from.find(name);
  const std::string hint = "the checkpoint belongs to a run with other settings; start without --resume";
  if (saved == nullptr) throw_data("has no tensor " + name, folder, hint);
  if (saved->dtype != DType::f32 || saved->shape != item.slot->sizes().vec()) {
    throw_data(name + " is " + saved->describe() + ", not of the model's shape", folder, hint);
  }
  flat.narrow(0, item.offset, item.numel).view(item.slot->sizes()).copy_(as_torch(*saved));
}

}  // namespace

std::vector<LazyTensor> parameter_tensors(FlatParameters& parameters) {
  std::vector<LazyTensor> out;
  for (const auto& item : parameters.items()) out.push_back(range_of(item, parameters.values(), ""));
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

void restore_parameters(const TensorMap& saved, FlatParameters& parameters, const std::string& folder) {
  const at::NoGradGuard no_grad;
  for (const auto& item : parameters.items()) copy_back(saved, item.name, item, parameters.values(), folder);
}

void restore_tensors(const StateStore::Loaded& state, FlatParameters& parameters, AdamW& optimizer) {
  const at::NoGradGuard no_grad;
  const std::string folder = state.folder.string();
  restore_parameters(state.parameters, parameters, folder);
  for (const auto& item : parameters.items()) {
    copy_back(state.optimizer, item.name + ".exp_avg", item, optimizer.m, folder);
    copy_back(state.optimizer, item.name + ".exp_avg_sq", item, optimizer.v, folder);
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

void check_replicas(Communicator& comm, const at::Tensor& values) {
  if (comm.size() == 1) return;
  const at::Tensor host = values.detach().cpu();
  const float* data = host.data_ptr<float>();
  std::uint64_t hash = 0;
  for (std::int64_t i = 0; i < host.numel(); ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, data + i, sizeof(bits));
    hash += mix64(bits ^ (static_cast<std::uint64_t>(i) << 32U));
  }
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
