// The quantised model under training: a decoder whose linears are V2 layers, where its tensors came from,
// and which of them are trained.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/quant/presets.hpp"
#include "anemll/train/state_store.hpp"
#include "anemll/train/train_options.hpp"
#include "src/export/half_cast.hpp"
#include "src/model/decoder.hpp"
#include "src/quant/v2_layer.hpp"
#include "src/train/flat_parameters.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace anemll {

class Student {
 public:
  /// Scale init and freeze of every linear, shared out over the ranks and broadcast. Collective.
  static Student from_scratch(const ModelFiles& files, const TrainOptions& options, at::Device device,
                              Communicator& comm);
  /// Scales, indices, LUTs (and norms, embedding, float weights where present) of a V2 checkpoint. Every rank
  /// reads it.
  static Student from_checkpoint(ModelFiles files, const TrainOptions& options, at::Device device);
  /// The frozen tensors and parameters of a native state.
  static Student from_state(const ModelFiles& files, const StateStore::Loaded& state, at::Device device);

  Decoder& decoder() { return *decoder_; }
  const ModelFiles& files() const { return files_; }
  const std::vector<V2Linear*>& layers() const { return layers_; }
  const QuantScheme& scheme() const { return scheme_; }
  /// Input columns that shared a maximum when the scales were made: the source's.
  std::int64_t group_size() const { return group_size_; }

  std::int64_t body_weights() const;
  /// The head differs from the base model's: a checkpoint brought another.
  bool has_own_head() const;

  /// Chooses what the flags train, rounds magnitudes that they freeze, and moves the chosen tensors into a
  /// flat buffer. `layer_parameters(l)`: indices of layer l's tensors in it.
  FlatParameters& make_trainable(const TrainOptions& options);
  FlatParameters& trainable() { return *trainable_; }
  const std::vector<std::vector<std::size_t>>& layer_parameters() const { return layer_parameters_; }

  /// Training: cached weights, `compute` GEMMs. Evaluation: fp32, nothing cached.
  void set_training(at::ScalarType compute);
  void set_evaluation();

  /// All floating tensors that make up the present state beyond the flat buffer, for native checkpoints.
  std::vector<LazyTensor> frozen_tensors() const;
  /// The whole model under the reference's keys, made tensor by tensor. `half`: everything but embedding and
  /// head as fp16 (saturating), counted in `counts`, which must outlive the result.
  std::vector<LazyTensor> reference_state_dict(bool half, CastCounts* counts) const;

 private:
  Student(ModelFiles files, QuantScheme scheme, at::Device device);
  void install(std::size_t slot, const V2Config& config, V2Linear::Tensors tensors);

  ModelFiles files_;
  QuantScheme scheme_;
  std::int64_t group_size_ = 0;
  at::Device device_;
  std::unique_ptr<Decoder> decoder_;
  std::vector<V2Linear*> layers_;
  std::vector<std::string>
      replaced_;  // tensors beside the linears in which a checkpoint differs from the model folder
  std::vector<Decoder::NamedTensor> norms_;
  std::unique_ptr<FlatParameters> trainable_;
  std::vector<std::vector<std::size_t>> layer_parameters_;
};

}  // namespace anemll
