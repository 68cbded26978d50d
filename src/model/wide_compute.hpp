// A decoder that computes in fp32 while this lives, whatever its compute dtype is otherwise.
#pragma once

#include "src/model/decoder.hpp"

namespace anemll {

class WideCompute {
 public:
  explicit WideCompute(Decoder& model) : model_(model), before_(model.compute()) {
    model_.set_compute(at::kFloat);
  }
  ~WideCompute() { model_.set_compute(before_); }
  WideCompute(const WideCompute&) = delete;
  WideCompute& operator=(const WideCompute&) = delete;

 private:
  Decoder& model_;
  at::ScalarType before_;
};

}  // namespace anemll
