// What the states of all layer types do with their tensors: check shapes, add gradients.
#pragma once

#include "anemll/core/error.hpp"

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Data error naming the layer `name` unless the tensor is there and has this shape.
inline void require_shape(const at::Tensor& tensor, at::IntArrayRef shape, const std::string& name,
                          const char* field) {
  if (tensor.defined() && tensor.sizes() == shape) return;
  std::string text = tensor.defined() ? "has shape" : "is missing, expected shape";
  for (const std::int64_t size : tensor.defined() ? tensor.sizes() : shape)
    text.append(" ").append(std::to_string(size));
  throw_data(std::string(field).append(" ").append(text), name, "the tensors of one layer must fit together");
}

inline void add_gradient(const at::Tensor& parameter, const at::Tensor& gradient) {
  if (parameter.grad().defined())
    parameter.mutable_grad().add_(gradient);
  else
    parameter.mutable_grad() = gradient.to(parameter.scalar_type(), false, /*copy=*/true).contiguous();
}

}  // namespace anemll
