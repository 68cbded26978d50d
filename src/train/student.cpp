#include "src/train/student.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/finite.hpp"
#include "anemll/core/log.hpp"
#include "anemll/core/signals.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/export/half_cast.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/layer_init.hpp"
#include "src/quant/layer_state.hpp"
#include "src/quant/ste.hpp"
#include "src/train/run_setup.hpp"
#include "src/train/source_plan.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

namespace anemll {
namespace {

/// Between layers. There is nothing to save yet, and ranks need not agree: one that leaves ends the others.
void leave_if_asked(const char* during) {
  leave_on_signal(during, "nothing was made yet: run the same command again");
}

constexpr const char* kForcePositive = "._force_positive_scales";  // of native states: present when on

V2Config layer_config(const QuantScheme& scheme, std::int64_t group_size, const LinearSpec& spec) {
  V2Config config;
  config.lut_size = spec.mlp ? scheme.mlp_lut : scheme.attn_lut;
  config.rank = spec.mlp ? scheme.mlp_rank : scheme.attn_rank;
  config.group_size = group_size;
  return config;
}

at::Tensor bias_of(const ModelFiles& files, const LinearSpec& spec) {
  if (!spec.bias) return {};
  return as_torch(*files.tensors.find(spec.name + ".bias")).to(at::kFloat).clone();
}

void to_device(V2Linear::Tensors& t, at::Device device) {
  if (device.is_cpu()) return;
  for (at::Tensor* tensor : {&t.scale_A, &t.scale_B, &t.rank_magnitude, &t.lut, &t.indices, &t.bias}) {
    if (tensor->defined()) *tensor = tensor->to(device);
  }
}

/// Sends the initialised tensors of one layer from `owner` to all ranks.
void share(Communicator& comm, int owner, const LinearSpec& spec, const V2Config& config,
           V2Linear::Tensors& t) {
  if (comm.size() == 1) return;
  if (comm.rank() != owner) {
    t.scale_A = at::empty({spec.out, config.rank}, at::kFloat);
    t.scale_B = at::empty({config.rank, spec.in}, at::kFloat);
    t.rank_magnitude = at::empty({config.rank}, at::kFloat);
    t.lut = at::empty({config.lut_size}, at::kFloat);
    t.indices = at::empty({spec.out, spec.in}, at::kByte);
  }
  for (at::Tensor* tensor : {&t.scale_A, &t.scale_B, &t.rank_magnitude, &t.lut, &t.indices}) {
    *tensor = tensor->contiguous();
    comm.broadcast({static_cast<std::byte*>(tensor->data_ptr()), tensor->nbytes()}, owner);
  }
}

at::Tensor restored(const StateStore::Loaded& state, const std::string& name) {
  const HostTensor* tensor = state.frozen.find(name);
  if (tensor == nullptr) tensor = state.parameters.find(name);
  if (tensor == nullptr)
    throw_data("has no tensor " + name, state.folder.string(), "the checkpoint is of another model");
  return as_torch(*tensor).clone();
}

}  // namespace

Student::Student(ModelFiles files, QuantScheme scheme, at::Device device)
    : files_(std::move(files)),
      scheme_(scheme),
      device_(device),
      decoder_(std::make_unique<Decoder>(files_, device, false)) {
  layers_.resize(decoder_->slots().size());
  norms_ = decoder_->norms();
}

void Student::install(std::size_t slot, const V2Config& config, V2Linear::Tensors tensors) {
  to_device(tensors, device_);
  auto layer = std::make_unique<V2Linear>(decoder_->slots()[slot].spec.name, config, std::move(tensors));
  layers_[slot] = layer.get();
  decoder_->slots()[slot].linear = std::move(layer);
}

Student Student::from_scratch(const ModelFiles& files, const TrainOptions& options, at::Device device,
                              Communicator& comm) {
  const ResolvedScheme resolved = scratch_scheme(options);
  log_info("quantisation: " + resolved.scheme.describe() + " (" + resolved.source + "), group " +
           std::to_string(options.group_size));
  Student student(files, resolved.scheme, device);
  student.group_size_ = options.group_size;
  auto& slots = student.decoder_->slots();
  Progress bar("scale init and freeze", static_cast<std::int64_t>(slots.size()), "layers");
  // Rank r makes layers r, r + size, ...; then each goes to all.
  const InitOptions init{options.svd_floor == "none" ? SvdFloor::none : SvdFloor::reference,
                         options.fast_init, choose_ste(options)};
  std::vector<V2Linear::Tensors> made(slots.size());
  const auto size = static_cast<std::size_t>(comm.size());
  for (std::size_t i = static_cast<std::size_t>(comm.rank()); i < slots.size(); i += size) {
    leave_if_asked("choosing the scales of the layers");
    const at::Tensor weight = as_torch(*files.tensors.find(slots[i].spec.name + ".weight"));
    made[i] =
        initial_layer(weight, {}, layer_config(resolved.scheme, options.group_size, slots[i].spec), init)
            .tensors;
    bar.update(static_cast<std::int64_t>(i + 1));
  }
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const V2Config config = layer_config(resolved.scheme, options.group_size, slots[i].spec);
    share(comm, static_cast<int>(i % size), slots[i].spec, config, made[i]);
    made[i].bias = bias_of(files, slots[i].spec);
    student.install(i, config, std::move(made[i]));
  }
  bar.finish();
  student.files_.release_pages();
  return student;
}

Student Student::from_checkpoint(ModelFiles files, const TrainOptions& options, at::Device device) {
  const std::filesystem::path path = *options.v2_checkpoint;
  const TensorMap state = read_state_dict(path);
  const CheckpointSource source = checkpoint_source(options, state);
  const ResolvedScheme& resolved = source.resolved;
  for (const std::string& warning : resolved.warnings) log_warning(warning);
  log_info("quantisation: " + resolved.scheme.describe() + " (" + resolved.source + "), group " +
           std::to_string(source.group_size));
  // Whatever else the checkpoint holds of the model replaces the folder's tensors.
  std::vector<std::string> replaced;
  for (const TensorSpec& spec : expected_tensors(files.architecture)) {
    const HostTensor* tensor = state.find(spec.name);
    if (tensor == nullptr) continue;
    if (tensor->shape != spec.shape || !is_floating(tensor->dtype)) {
      throw_data(spec.name + " is " + tensor->describe() + ", not of the model's shape", path.string(),
                 "give the checkpoint's own model as --model-id");
    }
    require_finite(*tensor, spec.name, path.string(), kDiverged);
    const bool small = !state.contains(spec.name.substr(0, spec.name.rfind('.')) + ".scale_A");
    if (small &&
        !as_torch(*tensor).to(at::kFloat).equal(as_torch(*files.tensors.find(spec.name)).to(at::kFloat))) {
      replaced.push_back(spec.name);
    }
    files.tensors.set(spec.name, *tensor);
  }
  Student student(std::move(files), resolved.scheme, device);
  student.group_size_ = source.group_size;
  student.replaced_ = std::move(replaced);
  auto& slots = student.decoder_->slots();
  std::size_t with_q = 0;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    V2Config config = layer_config(resolved.scheme, source.group_size, slots[i].spec);
    config.force_positive_scales = source.keys.force_positive_scales.value_or(false);
    leave_if_asked("reading the checkpoint's layers");
    LoadedLayer loaded = load_layer(state, slots[i].spec.name, config, choose_ste(options), path.string());
    for (const std::string& warning : loaded.warnings) log_warning(warning);
    with_q += loaded.had_q ? 1 : 0;
    if (!loaded.tensors.bias.defined()) loaded.tensors.bias = bias_of(student.files_, slots[i].spec);
    student.install(i, loaded.config, std::move(loaded.tensors));
  }
  if (with_q > 0) log_info("Manually loaded " + std::to_string(with_q) + " _Q buffers");
  return student;
}

Student Student::from_state(const ModelFiles& files, const StateStore::Loaded& state, at::Device device) {
  ModelFiles changed = files;
  std::vector<std::string> replaced;
  for (const auto& [name, tensor] : state.frozen) {
    if (!files.tensors.contains(name)) continue;
    changed.tensors.set(name, tensor);
    if (name.ends_with(".weight")) replaced.push_back(name);  // biases come with their layers
  }
  for (const auto& [name, tensor] : state.parameters) {
    if (files.tensors.contains(name)) changed.tensors.set(name, tensor);
  }
  Student student(std::move(changed), state_scheme(state, files.architecture), device);
  student.group_size_ = state_group_size(state);
  student.replaced_ = std::move(replaced);
  auto& slots = student.decoder_->slots();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const std::string& name = slots[i].spec.name;
    V2Linear::Tensors t;
    t.scale_A = restored(state, name + ".scale_A");
    t.scale_B = restored(state, name + ".scale_B");
    t.rank_magnitude = restored(state, name + ".rank_magnitude");
    t.lut = restored(state, name + ".lut");
    t.indices = restored(state, name + "._indices");
    t.baked = state.frozen.contains(name + "._scales_baked_flag");
    t.bias = state.frozen.contains(name + ".bias") ? restored(state, name + ".bias") : at::Tensor();
    V2Config config = layer_config(student.scheme_, student.group_size_, slots[i].spec);
    config.force_positive_scales = state.frozen.contains(name + kForcePositive);
    student.install(i, config, std::move(t));
  }
  return student;
}

std::int64_t Student::body_weights() const {
  std::int64_t weights = 0;
  for (const V2Linear* layer : layers_) weights += layer->out() * layer->in();
  return weights;
}

bool Student::has_own_head() const {
  const char* head = files_.architecture.tied_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";
  return std::find(replaced_.begin(), replaced_.end(), head) != replaced_.end();
}

FlatParameters& Student::make_trainable(const TrainOptions& o) {
  std::vector<FlatParameters::Item> items;
  layer_parameters_.assign(layers_.size(), {});
  for (std::size_t l = 0; l < layers_.size() && !o.train_norms_only; ++l) {
    const bool mlp = decoder_->slots()[l].spec.mlp;
    V2Linear::Tensors& t = layers_[l]->tensors();
    const bool freeze_g = o.freeze_mags || (o.freeze_mags_mlp && mlp && !o.attn_only);
    if (freeze_g) t.rank_magnitude = round_half(t.rank_magnitude).detach();
    if ((o.mlp_only && !mlp) || (o.attn_only && mlp)) continue;
    const auto train = [&](at::Tensor& tensor, const char* suffix) {
      layer_parameters_[l].push_back(items.size());
      items.push_back({layers_[l]->name() + suffix, &tensor, 0, 0});
    };
    if (!o.g_only) {
      train(t.scale_A, ".scale_A");
      train(t.scale_B, ".scale_B");
    }
    if (!freeze_g) train(t.rank_magnitude, ".rank_magnitude");
  }
  if (o.train_norms_only) {
    for (auto& norm : norms_) {
      norm.tensor = norm.tensor.to(at::kFloat).clone();
      items.push_back({norm.name, &norm.tensor, 0, 0});
    }
  }
  if (items.empty())
    throw_usage("nothing is left to train", "selection flags",
                "drop --g-only, --freeze-mags-mlp or --mlp-only");
  trainable_ = std::make_unique<FlatParameters>(std::move(items));
  if (o.train_norms_only) {
    for (const auto& norm : norms_) decoder_->set_norm(norm.name, norm.tensor);
  }
  return *trainable_;
}

void Student::set_training(at::ScalarType compute) {
  if (compute != at::kFloat) decoder_->release_head_weight(at::kFloat);
  decoder_->set_compute(compute);
  for (V2Linear* layer : layers_) {
    layer->set_transient(false);
    layer->begin_step();
  }
}

void Student::set_evaluation() {
  for (V2Linear* layer : layers_) {
    layer->begin_step();
    layer->set_transient(true);
  }
}

std::vector<LazyTensor> Student::frozen_tensors() const {
  std::vector<LazyTensor> out;
  const auto add = [&](const std::string& name, const at::Tensor& tensor) {
    out.push_back(lazy(name, as_host(tensor.detach().cpu())));
  };
  for (const V2Linear* layer : layers_) {
    const V2Linear::Tensors& t = layer->tensors();
    add(layer->name() + "._indices", t.indices);
    add(layer->name() + ".lut", t.lut);
    if (t.baked) add(layer->name() + "._scales_baked_flag", at::tensor({1}, at::kChar));
    if (t.bias.defined()) add(layer->name() + ".bias", t.bias);
    if (layer->config().force_positive_scales)
      add(layer->name() + kForcePositive, at::tensor({1}, at::kChar));
    if (!t.scale_A.requires_grad()) add(layer->name() + ".scale_A", t.scale_A);
    if (!t.scale_B.requires_grad()) add(layer->name() + ".scale_B", t.scale_B);
    if (!t.rank_magnitude.requires_grad()) add(layer->name() + ".rank_magnitude", t.rank_magnitude);
  }
  for (const auto& norm : norms_) {
    if (!norm.tensor.requires_grad()) add(norm.name, norm.tensor.to(at::kFloat));
  }
  for (const std::string& name : replaced_) {
    const bool norm =
        std::any_of(norms_.begin(), norms_.end(), [&](const auto& n) { return n.name == name; });
    if (!norm) out.push_back(lazy(name, files_.tensors.find(name)->packed()));
  }
  return out;
}

std::vector<LazyTensor> Student::reference_state_dict(bool half, CastCounts* counts) const {
  std::vector<LazyTensor> out;
  const HostTensor* embedding = files_.tensors.find("model.embed_tokens.weight");
  for (const TensorSpec& spec : expected_tensors(files_.architecture)) {
    const std::string suffix = ".weight";
    const std::string stem = spec.name.substr(0, spec.name.size() - suffix.size());
    const auto layer =
        std::find_if(layers_.begin(), layers_.end(), [&](const V2Linear* l) { return l->name() == stem; });
    if (layer != layers_.end()) {
      for (LazyTensor& entry : layer_entries(**layer, *files_.tensors.find(spec.name), false))
        out.push_back(std::move(entry));
      continue;
    }
    if (spec.name.ends_with(".bias") && std::any_of(layers_.begin(), layers_.end(), [&](const V2Linear* l) {
          return l->name() + ".bias" == spec.name;
        })) {
      continue;  // came with its layer
    }
    LazyTensor entry{spec.name, DType::f32, spec.shape, {}, {}};
    const auto norm =
        std::find_if(norms_.begin(), norms_.end(), [&](const auto& n) { return n.name == spec.name; });
    const HostTensor* source = files_.tensors.find(spec.name);
    if (norm != norms_.end()) {
      entry.make = [tensor = norm->tensor] { return as_host(tensor.detach().to(at::kCPU, at::kFloat)); };
    } else {
      entry.make = [tensor = *source] { return as_host(as_torch(tensor).to(at::kFloat)); };
      if (spec.name == "lm_head.weight" && embedding != nullptr && source->data == embedding->data)
        entry.alias_of = "model.embed_tokens.weight";
    }
    out.push_back(std::move(entry));
  }
  if (!half) return out;
  for (LazyTensor& entry : out) {
    const bool kept = entry.name == "lm_head.weight" || entry.name == "model.embed_tokens.weight";
    if (entry.dtype == DType::f32 && !kept) entry = half_entry(std::move(entry), *counts);
  }
  return out;
}

}  // namespace anemll
