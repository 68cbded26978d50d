// What the tests of the API share: the nano model, and comparisons.
#pragma once

#include "anemll/anemll.hpp"
#include "tests/support/temp_dir.hpp"

#include <functional>
#include <string>

#include <ATen/core/Tensor.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {

inline const std::string kDown = "model.layers.1.mlp.down_proj";

inline Model nano() {
  return Model::open(golden("nano").string());
}
inline Model trained_nano() {
  Model model = nano();
  load_v2_checkpoint(model, golden("nano/v2_q2a4_trained.pt"));
  return model;
}

/// ||x - y|| / ||y||
inline double distance(const at::Tensor& x, const at::Tensor& y) {
  return x.sub(y).norm().item<double>() / y.norm().item<double>();
}

/// `work` throws an error with this code whose text holds `part`.
inline void check_error(const std::function<void()>& work, ExitCode code, const std::string& part) {
  try {
    work();
    BOOST_ERROR("nothing was thrown where this was expected: " + part);
  } catch (const Error& e) {
    BOOST_TEST(static_cast<int>(e.code()) == static_cast<int>(code), e.what());
    const std::string text = e.problem() + " / " + e.where() + " / " + e.hint();
    BOOST_TEST((text.find(part) != std::string::npos), text);
  }
}

}  // namespace anemll::test
