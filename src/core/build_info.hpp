// Facts about this binary, fixed when it was built: --version prints them, every run logs them and
// checkpoints record them. Nothing here asks the running machine.
#pragma once

#include <string>

namespace anemll {

struct BuildInfo {
  std::string version;     ///< of the project
  std::string git;         ///< git describe, "unknown" outside a repository
  std::string compiler;    ///< "GNU 12.2.0"
  std::string build_type;  ///< "Release"
  std::string system;      ///< "Linux x86_64"
  std::string libtorch;    ///< versions compiled against
  std::string mpi;
  std::string hdf5;
  std::string boost;
  std::string nccl;        ///< "none" without the backend
  std::string sanitizers;  ///< "none" or the list
  bool cuda = false;       ///< CUDA LibTorch and NCCL backends are linked
};

const BuildInfo& build_info();
/// One fact a line, no line end after the last; the first one begins with the name of the program.
std::string build_summary(const std::string& program = "anemll_train");
/// The same facts as one JSON object.
std::string build_json();

}  // namespace anemll
