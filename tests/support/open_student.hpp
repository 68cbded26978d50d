// A student out of a V2 checkpoint, as a program opens it.
#pragma once

#include "anemll/model/model_files.hpp"
#include "src/student/student.hpp"
#include "src/student/v2_checkpoint.hpp"

#include <filesystem>

namespace anemll::test {

inline Student open_student(const ModelFiles& files, const std::filesystem::path& checkpoint) {
  const V2Checkpoint opened = open_v2_checkpoint(checkpoint);
  const ResolvedQuant quant = checkpoint_quant(opened, files.architecture, {});
  return Student::from_checkpoint(files, opened, quant.spec, /*ste=*/true, at::kCPU);
}

}  // namespace anemll::test
