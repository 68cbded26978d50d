// Gradients of the KD loss in the tensors of a student that nobody trains at the moment.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "src/distill/kd_loss.hpp"
#include "src/student/student.hpp"

#include <c10/core/Device.h>

namespace anemll {

/// Forward and backward over `rows` in fp32; what layers call trained then holds the gradient of the loss's
/// sum over tokens in its .grad. Returns that sum; the number of tokens makes means of both. With no token
/// that counts there are no gradients; snapped V1 layers have none. The student is set to evaluation
/// afterwards.
KdLossSums kd_gradients(Student& student, const KdBatch& rows, const KdLossOptions& loss, at::Device device);

}  // namespace anemll
