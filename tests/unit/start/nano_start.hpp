// A start of the nano model on a made-up text.
#pragma once

#include "anemll/core/tensor.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/quant/presets.hpp"
#include "src/start/start.hpp"
#include "src/student/v2_checkpoint.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstdint>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

namespace anemll::test {

inline const ModelFiles& nano() {
  static const ModelFiles files = load_model_files(golden("nano"));
  return files;
}

/// Two bits in the MLP, four in attention.
inline QuantSpec nano_spec() {
  QuantWishes wishes;
  wishes.overrides = {4, 4, 16, 2};
  wishes.preset = "custom";
  wishes.group_size = 16;
  return scratch_quant(nano().architecture, wishes).spec;
}

/// [rows, length] ids that repeat nowhere near.
inline at::Tensor made_up_ids(std::int64_t rows, std::int64_t length, std::int64_t first) {
  return at::arange(first, first + rows * length, at::kLong)
      .mul(2654435)
      .remainder(4093)
      .view({rows, length});
}

inline StartText nano_text() {
  return {made_up_ids(10, 16, 1), {}, made_up_ids(3, 16, 5000), {}};
}

inline StartOptions nano_options(StartMethod method) {
  StartFlags flags;
  flags.init = method;
  StartOptions options = start_options(flags, {});
  options.solve.rounds = 1;
  return options;
}

/// All that a student is beyond its folder, as one text.
inline std::string bytes_of(const Student& student) {
  std::string all;
  for (const LazyTensor& tensor : student.frozen_tensors({})) {
    const HostTensor made = tensor.make();
    all.append(tensor.name).append(reinterpret_cast<const char*>(made.data), made.bytes());
  }
  return all;
}

}  // namespace anemll::test
