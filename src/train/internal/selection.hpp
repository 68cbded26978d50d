// Which tensors of a student the flags train: one rule for the plan, which counts them before a model is
// made, and for the model.
#pragma once

#include "anemll/train/train_options.hpp"
#include "src/student/student.hpp"
#include "src/train/internal/flat_parameters.hpp"

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace anemll {

/// Whether the flags train a tensor of a linear.
bool is_selected(const TrainOptions& options, bool mlp, const TensorRow& row);

/// Values that the flags train of a model with this quantisation.
std::int64_t count_selected(const TrainOptions& options, const Architecture& architecture,
                            const QuantSpec& spec);

/// What a run changes of a student.
struct Selection {
  /// Integers that the layers themselves change, as codes are: no gradient, no moments.
  struct Codes {
    std::string name;
    at::Tensor* slot;
  };
  std::unique_ptr<FlatParameters> parameters;
  std::vector<std::vector<std::size_t>> of_layer;  ///< by layer: its items in `parameters`
  std::vector<Codes> codes;

  std::set<std::string> names() const;
  /// All values, to come back to: a copy.
  std::vector<at::Tensor> copy() const;
  void put_back(const std::vector<at::Tensor>& values);
};
/// Rounds magnitudes that the flags freeze, and moves the selected floats into a flat buffer. A usage error
/// when nothing is left to train.
Selection select_trained(Student& student, const TrainOptions& options);

}  // namespace anemll
