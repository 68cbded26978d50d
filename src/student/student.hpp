// The quantised model: a decoder whose linears are layers of this project's types, and where its tensors came
// from. Knows no training options: what is trained is the caller's choice.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "src/model/decoder.hpp"
#include "src/quant/half_cast.hpp"
#include "src/quant/layer.hpp"
#include "src/quant/layer_type.hpp"
#include "src/student/v2_checkpoint.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace anemll {

class Student {
 public:
  /// Scale init and freeze of every linear, shared out over the ranks and broadcast. Collective. A signal is
  /// StopError on the rank that it came to.
  static Student from_scratch(const ModelFiles& files, const QuantSpec& spec, const InitOptions& options,
                              at::Device device, Communicator& comm);
  /// Scales, indices, LUTs (and norms, embedding, float weights where present) of a V2 checkpoint. `ste`:
  /// indices that must be chosen anew are chosen by rounded scales.
  static Student from_checkpoint(ModelFiles files, const V2Checkpoint& checkpoint, const QuantSpec& spec,
                                 bool ste, at::Device device);
  /// Every tensor of every layer's table by its name, and what else of the model differs from `files`: what
  /// frozen_tensors() gave, and the trained ones. `where` names the source in data errors.
  static Student from_tensors(const ModelFiles& files, const QuantSpec& spec, const TensorMap& tensors,
                              at::Device device, const std::string& where);

  Decoder& decoder() { return *decoder_; }
  const ModelFiles& files() const { return files_; }
  const QuantSpec& spec() const { return spec_; }
  /// In module order, as the decoder's slots.
  const std::vector<QuantLayer*>& layers() const { return layers_; }
  /// Puts another layer of the same linear in the place of layer `i`.
  void replace_layer(std::size_t i, std::unique_ptr<QuantLayer> layer);
  std::vector<Decoder::NamedTensor> norms() const { return decoder_->norms(); }

  std::int64_t body_weights() const;
  /// The head differs from the base model's: a checkpoint brought another.
  bool has_own_head() const;

  void set_numerics(const LayerNumerics& numerics);
  /// Training: cached weights, `compute` GEMMs. Evaluation: fp32, nothing cached.
  void set_training(at::ScalarType compute);
  void set_evaluation();

  /// All tensors but those named that make up the present model beyond its files.
  std::vector<LazyTensor> frozen_tensors(const std::set<std::string>& changing) const;
  /// The whole model under the reference's keys, made tensor by tensor. `half`: everything but embedding and
  /// head as fp16 (saturating), counted in `counts`, which must outlive the result. `with_indices`:
  /// `_indices` of layers that have such a key, beside `_Q`, which says the same.
  std::vector<LazyTensor> reference_state_dict(bool half, CastCounts* counts,
                                               bool with_indices = false) const;

 private:
  Student(ModelFiles files, QuantSpec spec, at::Device device);
  void install(std::size_t slot, LayerTensors tensors);
  at::Tensor bias_of(const LinearSpec& linear) const;

  ModelFiles files_;
  QuantSpec spec_;
  at::Device device_;
  std::unique_ptr<Decoder> decoder_;
  std::vector<QuantLayer*> layers_;
  std::vector<std::string>
      replaced_;  // tensors that no layer holds and in which a checkpoint differs from the model folder
};

}  // namespace anemll
