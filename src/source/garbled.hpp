// Why a checkpoint's answers may be garbled: what can be seen of it in the tensors, config.json and the
// weights of its model, each with the command that mends it. A healthy checkpoint gives none. What a reader
// cannot take at all (a NaN, indices beyond the table, shapes that do not fit) is an error of the reading,
// not of this list.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/student/student.hpp"
#include "src/student/v2_checkpoint.hpp"

#include <string>
#include <vector>

namespace anemll {

enum class GarbledBy {
  no_indices,       ///< neither _Q nor _indices: chosen anew from .weight
  positive_scales,  ///< config.json says force_positive_scales, the tensors say otherwise (or the other way
                    ///< round)
  baked_flag,       ///< the scales fit the model only without, or only with normalisation
  negative_scales,  ///< most scales of a layer are negative
  other_model,      ///< the weights are not near the model's under any reading
};

struct GarbledCause {
  GarbledBy kind;
  std::string what;  ///< the cause, with figures
  std::string hint;  ///< the command that mends it
};

/// `weights`: the model's own tensors (before the checkpoint replaced any), to which a right reading is near.
/// `student` was made of the checkpoint. Looks at all V2 layers' keys and at the values of a few layers.
std::vector<GarbledCause> garbled_causes(const V2Checkpoint& checkpoint, const Student& student,
                                         const TensorMap& weights);
/// One warning each.
void tell_garbled(const V2Checkpoint& checkpoint, const Student& student, const TensorMap& weights);

}  // namespace anemll
