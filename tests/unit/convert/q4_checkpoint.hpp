// A 4-bit nano checkpoint, made when a test needs one; two of its linears are the Python reference's.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/formats/torch_file.hpp"
#include "anemll/quant/presets.hpp"
#include "src/student/student.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <utility>
#include <vector>

namespace anemll::test {

inline const ModelFiles& nano_files() {
  static const ModelFiles files = load_model_files(golden("nano"));
  return files;
}

/// Writes it. Group size 2, as the reference's.
inline void write_q4(const std::filesystem::path& file) {
  const QuantSpec spec(body_linears(nano_files().architecture), preset_scheme("q4a4"), 2);
  const Student student =
      Student::from_scratch(nano_files(), spec, {}, at::kCPU, *make_single_communicator());
  const TensorMap reference = read_state_dict(golden("quant/q4a4_two_layers.pt"));
  std::vector<LazyTensor> tensors = student.reference_state_dict(false, nullptr);
  std::erase_if(tensors, [&](const LazyTensor& tensor) { return reference.contains(tensor.name); });
  for (const auto& [name, tensor] : reference) tensors.push_back(lazy(name, tensor.packed()));
  write_torch_file(file, tensors);
}

}  // namespace anemll::test
