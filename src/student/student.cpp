#include "src/student/student.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/finite.hpp"
#include "src/core/signals.hpp"
#include "src/model/tensor_registry.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/student/share_layer.hpp"

#include <algorithm>
#include <utility>

namespace anemll {
namespace {

/// Between layers. There is nothing to save yet, and ranks need not agree: one that leaves ends the others.
void leave_if_asked(const char* during) {
  leave_on_signal(during, "nothing was made yet: run the same command again");
}

std::vector<TensorRow> table_of(const LinearSpec& linear, const LinearQuant& quant) {
  return layer_type(quant.type).table(linear, quant);
}

/// Names of the model's tensors that the layers' own tables hold: what becomes of these is their matter. The
/// weight that a layer was made from and does not keep is none of them.
std::set<std::string> tensors_of_layers(const Architecture& architecture, const QuantSpec& spec) {
  std::set<std::string> names;
  const std::vector<LinearSpec> linears = body_linears(architecture);
  for (std::size_t i = 0; i < linears.size(); ++i) {
    for (const TensorRow& row : table_of(linears[i], spec.entries()[i].quant))
      names.insert(linears[i].name + std::string(row.suffix));
  }
  return names;
}

}  // namespace

Student::Student(ModelFiles files, QuantSpec spec, at::Device device)
    : files_(std::move(files)),
      spec_(std::move(spec)),
      device_(device),
      decoder_(std::make_unique<Decoder>(files_, device, false)) {
  layers_.resize(decoder_->slots().size());
}

void Student::install(std::size_t slot, LayerTensors tensors) {
  const LinearSpec& linear = decoder_->slots()[slot].spec;
  const LinearQuant& quant = spec_.entries()[slot].quant;
  if (!device_.is_cpu()) {
    for (auto& [suffix, tensor] : tensors) tensor = tensor.defined() ? tensor.to(device_) : tensor;
  }
  std::unique_ptr<QuantLayer> layer = layer_type(quant.type).make(linear, quant, std::move(tensors));
  layers_[slot] = layer.get();
  decoder_->slots()[slot].linear = std::move(layer);
}

void Student::replace_layer(std::size_t i, std::unique_ptr<QuantLayer> layer) {
  layers_[i] = layer.get();
  decoder_->slots()[i].linear = std::move(layer);
}

at::Tensor Student::bias_of(const LinearSpec& linear) const {
  return as_torch(*files_.tensors.find(linear.name + ".bias")).to(at::kFloat).clone();
}

Student Student::from_scratch(const ModelFiles& files, const QuantSpec& spec, const InitOptions& options,
                              at::Device device, Communicator& comm) {
  Student student(files, spec, device);
  auto& slots = student.decoder_->slots();
  Progress bar("scale init and freeze", static_cast<std::int64_t>(slots.size()), "layers");
  // Rank r makes layers r, r + size, ...; then each goes to all.
  std::vector<LayerTensors> made(slots.size());
  const auto size = static_cast<std::size_t>(comm.size());
  for (std::size_t i = static_cast<std::size_t>(comm.rank()); i < slots.size(); i += size) {
    leave_if_asked("choosing the scales of the layers");
    const LinearQuant& quant = spec.entries()[i].quant;
    const at::Tensor weight = as_torch(*files.tensors.find(slots[i].spec.name + ".weight"));
    LayerDraft draft = layer_type(quant.type).start(weight, quant, options);
    for (const std::string& warning : draft.warnings) log_warning(slots[i].spec.name + ": " + warning);
    made[i] = std::move(draft.tensors);
    bar.update(static_cast<std::int64_t>(i + 1));
  }
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const LinearSpec& linear = slots[i].spec;
    share_layer(comm, static_cast<int>(i % size), table_of(linear, spec.entries()[i].quant), made[i]);
    if (linear.bias) made[i][".bias"] = student.bias_of(linear);
    student.install(i, std::move(made[i]));
  }
  bar.finish();
  student.files_.release_pages();
  return student;
}

Student Student::from_checkpoint(ModelFiles files, const V2Checkpoint& checkpoint, const QuantSpec& spec,
                                 bool ste, at::Device device) {
  // Whatever else the checkpoint holds of the model replaces the folder's tensors.
  const std::set<std::string> of_layers = tensors_of_layers(files.architecture, spec);
  std::vector<std::string> replaced;
  for (const TensorSpec& expected : expected_tensors(files.architecture)) {
    const HostTensor* tensor = checkpoint.tensors.find(expected.name);
    if (tensor == nullptr) continue;
    if (tensor->shape != expected.shape || !is_floating(tensor->dtype)) {
      throw_data(expected.name + " is " + tensor->describe() + ", not of the model's shape", checkpoint.file,
                 "give the checkpoint's own model as --model-id");
    }
    require_finite(*tensor, expected.name, checkpoint.file, kDiverged);
    if (!of_layers.contains(expected.name) &&
        !as_torch(*tensor)
             .to(at::kFloat)
             .equal(as_torch(*files.tensors.find(expected.name)).to(at::kFloat))) {
      replaced.push_back(expected.name);
    }
    files.tensors.set(expected.name, *tensor);
  }
  Student student(std::move(files), spec, device);
  student.replaced_ = std::move(replaced);
  auto& slots = student.decoder_->slots();
  std::size_t with_q = 0;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const LinearSpec& linear = slots[i].spec;
    const LinearQuant& quant = spec.entries()[i].quant;
    leave_if_asked("reading the checkpoint's layers");
    LayerDraft draft = layer_type(quant.type).read(checkpoint.tensors, linear, quant, ste, checkpoint.file);
    for (const std::string& warning : draft.warnings) log_warning(warning);
    with_q += draft.had_q ? 1 : 0;
    if (linear.bias && !draft.tensors.contains(".bias")) draft.tensors[".bias"] = student.bias_of(linear);
    student.install(i, std::move(draft.tensors));
  }
  if (with_q > 0) log_info("Manually loaded " + std::to_string(with_q) + " _Q buffers");
  return student;
}

Student Student::from_tensors(const ModelFiles& files, const QuantSpec& spec, const TensorMap& tensors,
                              at::Device device, const std::string& where) {
  ModelFiles changed = files;
  const std::set<std::string> of_layers = tensors_of_layers(files.architecture, spec);
  std::vector<std::string> replaced;
  for (const auto& [name, tensor] : tensors) {
    if (!files.tensors.contains(name)) continue;
    changed.tensors.set(name, tensor);
    if (!of_layers.contains(name)) replaced.push_back(name);
  }
  Student student(std::move(changed), spec, device);
  student.replaced_ = std::move(replaced);
  auto& slots = student.decoder_->slots();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const LinearSpec& linear = slots[i].spec;
    const auto find = [&](const std::string& name) { return tensors.find(name); };
    student.install(i, tensors_of_state(table_of(linear, spec.entries()[i].quant), linear.name, find, where));
  }
  return student;
}

std::int64_t Student::body_weights() const {
  std::int64_t weights = 0;
  for (const QuantLayer* layer : layers_) weights += layer->out() * layer->in();
  return weights;
}

bool Student::has_own_head() const {
  const char* head = files_.architecture.tied_embeddings ? kEmbeddingName : kHeadName;
  return std::find(replaced_.begin(), replaced_.end(), head) != replaced_.end();
}

void Student::set_numerics(const LayerNumerics& numerics) {
  for (QuantLayer* layer : layers_) layer->set_numerics(numerics);
}

void Student::set_training(at::ScalarType compute) {
  if (compute != at::kFloat) decoder_->release_head_weight(at::kFloat);
  decoder_->set_compute(compute);
  for (QuantLayer* layer : layers_) {
    layer->set_transient(false);
    layer->begin_step();
  }
}

void Student::set_evaluation() {
  for (QuantLayer* layer : layers_) {
    layer->begin_step();
    layer->set_transient(true);
  }
}

}  // namespace anemll
