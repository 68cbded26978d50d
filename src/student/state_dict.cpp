// What a student writes: its frozen tensors for native states, and the reference's state dict.
#include "src/model/tensor_registry.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/student/student.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace anemll {

std::vector<LazyTensor> Student::frozen_tensors(const std::set<std::string>& changing) const {
  std::vector<LazyTensor> out;
  const auto add = [&](const std::string& name, const at::Tensor& tensor) {
    if (tensor.defined() && !changing.contains(name))
      out.push_back(lazy(name, as_host(tensor.detach().cpu())));
  };
  for (QuantLayer* layer : layers_) {
    for (const LayerTensor& tensor : layer->tensor_table())
      add(layer->name() + std::string(tensor.row.suffix), *tensor.slot);
  }
  const std::vector<Decoder::NamedTensor> norms = decoder_->norms();
  for (const auto& norm : norms) add(norm.name, norm.tensor.to(at::kFloat));
  for (const std::string& name : replaced_) {
    const bool norm = std::any_of(norms.begin(), norms.end(), [&](const auto& n) { return n.name == name; });
    if (!norm) out.push_back(lazy(name, files_.tensors.find(name)->packed()));
  }
  return out;
}

std::vector<LazyTensor> Student::reference_state_dict(bool half, CastCounts* counts,
                                                      bool with_indices) const {
  std::map<std::string, const QuantLayer*> layers;  // by the names of their float tensors
  for (const QuantLayer* layer : layers_) {
    layers[layer->name() + ".weight"] = layer;
    layers[layer->name() + ".bias"] = nullptr;  // comes with its layer
  }
  std::map<std::string, at::Tensor> norms;
  for (const auto& norm : decoder_->norms()) norms[norm.name] = norm.tensor;

  std::vector<LazyTensor> out;
  const HostTensor* embedding = files_.tensors.find(kEmbeddingName);
  for (const TensorSpec& spec : expected_tensors(files_.architecture)) {
    const HostTensor* source = files_.tensors.find(spec.name);
    if (const auto layer = layers.find(spec.name); layer != layers.end()) {
      if (layer->second == nullptr) continue;
      for (LazyTensor& entry : layer->second->checkpoint_entries(*source, with_indices))
        out.push_back(std::move(entry));
      continue;
    }
    LazyTensor entry{spec.name, DType::f32, spec.shape, {}, {}};
    if (const auto norm = norms.find(spec.name); norm != norms.end()) {
      entry.make = [tensor = norm->second] { return as_host(tensor.detach().to(at::kCPU, at::kFloat)); };
    } else {
      entry.make = [tensor = *source] { return as_host(as_torch(tensor).to(at::kFloat)); };
      if (spec.role == TensorRole::head && embedding != nullptr && source->data == embedding->data)
        entry.alias_of = kEmbeddingName;
    }
    out.push_back(std::move(entry));
  }
  if (!half) return out;
  for (LazyTensor& entry : out) {
    const bool kept = entry.name == kHeadName || entry.name == kEmbeddingName;
    if (entry.dtype == DType::f32 && !kept) entry = half_entry(std::move(entry), *counts);
  }
  return out;
}

}  // namespace anemll
