// Rotary tables: cosine and sine per position and frequency, grown on demand.
#pragma once

#include "anemll/model/architecture.hpp"

#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// theta^(-2i/dim) for i < dim/2, with the "llama3" scaling when the rope has one (Llama 3 report: long
/// wavelengths divided by `factor`, short ones kept, a linear blend between).
std::vector<float> rope_frequencies(const Rope& rope, std::int64_t head_dim);

class RopeTable {
 public:
  RopeTable(const Rope& rope, std::int64_t head_dim, at::Device device);
  /// Makes room for positions 0 .. length-1.
  void require(std::int64_t length);
  const at::Tensor& cosine() const { return cosine_; }  ///< [>= length, dim / 2] fp32
  const at::Tensor& sine() const { return sine_; }

 private:
  std::vector<float> frequencies_;
  at::Device device_;
  at::Tensor cosine_, sine_;
};

}  // namespace anemll
