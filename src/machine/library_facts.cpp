// Libraries as the loader finds them, GPUs and MPI.
#include "src/machine/internal/facts.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string_view>
#include <system_error>

namespace anemll {
namespace {

namespace fs = std::filesystem;

struct KnownLibrary {
  std::string_view begins;  ///< of the file's name
  const char* name;
};
constexpr KnownLibrary kKnown[] = {{"libtorch_cpu.", "LibTorch"},
                                   {"libtorch_cuda.", "LibTorch for CUDA"},
                                   {"libmpi.", "MPI"},
                                   {"libhdf5", "HDF5"},
                                   {"libnccl.", "NCCL"},
                                   {"libcudart.", "CUDA"},
                                   {"libarrow.", "Arrow"},
                                   {"libparquet.", "Parquet"},
                                   {"libboost_program_options.", "Boost"},
                                   {"libsimdjson.", "simdjson"},
                                   {"libarchive.", "libarchive"},
                                   {"libcurl.", "libcurl"},
                                   {"libcrypto.", "OpenSSL"},
                                   {"libzstd.", "Zstandard"},
                                   {"libgomp", "OpenMP"},
                                   {"libiomp5.", "OpenMP"},
                                   {"libomp.", "OpenMP"},
                                   {"libstdc++.", "C++"},
                                   {"libc.so.", "C"}};

std::string first_line_with(const fs::path& file, std::string_view begin) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(begin)) return line;
  }
  return "";
}

/// LibTorch's files have no number in their names; beside them its wheel and its archive tell it.
std::string torch_version(const fs::path& library) {
  const fs::path home = library.parent_path().parent_path();
  std::string line = first_line_with(home / "version.py", "__version__ = ");
  if (line.empty()) return first_line_with(home / "build-version", "");
  line.erase(0, line.find_first_of("'\"") + 1);
  return line.substr(0, line.find_first_of("'\""));
}

std::string told(const fs::path& file) {
  std::error_code none;
  const fs::path real = fs::canonical(file, none);
  const fs::path& shown = none ? file : real;
  std::string version;
  if (shown.filename().string().starts_with("libtorch")) version = torch_version(shown);
  return shown.string() + (version.empty() ? "" : ", " + version);
}

std::string behind_colon(const std::string& line) {
  const std::size_t colon = std::min(line.find(':'), line.size());
  return line.substr(std::min(line.find_first_not_of(": \t", colon), line.size()));
}

}  // namespace

FactGroup library_facts(const std::string& traced) {
  FactGroup group{"Libraries", {}};
  std::istringstream lines(traced);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name, arrow, file;
    words >> name >> arrow >> file;
    if (arrow != "=>") continue;
    if (file == "not") {  // "not found"
      group.facts.emplace_back(name, "NOT FOUND: the programs do not start");
      continue;
    }
    const auto known =
        std::ranges::find_if(kKnown, [&](const KnownLibrary& k) { return name.starts_with(k.begins); });
    if (known != std::end(kKnown)) group.facts.emplace_back(known->name, told(file));
  }
  return group;
}

FactGroup gpu_facts(const std::string& listed, const fs::path& root) {
  FactGroup group{"GPUs", {}};
  const std::string driver =
      behind_colon(first_line_with(root / "proc/driver/nvidia/version", "NVRM version:"));
  if (!driver.empty()) group.facts.emplace_back("driver", driver);
  bool is_listed = false;
  std::istringstream lines(listed);
  for (std::string line; std::getline(lines, line);) {  // "0, NAME, 143771 MiB, 580.82.07, 9.0, Disabled"
    const std::size_t comma = line.find(", ");
    if (comma == std::string::npos) {
      group.facts.emplace_back("nvidia-smi", line);
    } else {
      group.facts.emplace_back("GPU " + line.substr(0, comma), line.substr(comma + 2));
      is_listed = true;
    }
  }
  std::error_code none;
  if (!is_listed) {
    for (const fs::directory_entry& gpu : fs::directory_iterator(root / "proc/driver/nvidia/gpus", none)) {
      group.facts.emplace_back("GPU " + gpu.path().filename().string(),
                               behind_colon(first_line_with(gpu.path() / "information", "Model:")));
    }
  }
  if (group.facts.empty()) group.facts.emplace_back("NVIDIA", "no driver, or none that this container sees");
  return group;
}

FactGroup mpi_facts(const fs::path& mpirun, const std::string& version) {
  FactGroup group{"MPI", {}};
  if (mpirun.empty()) {
    group.facts.emplace_back("mpirun", "not in PATH");
    return group;
  }
  group.facts.emplace_back("mpirun", mpirun.string());
  group.facts.emplace_back("version", version.substr(0, version.find('\n')));
  return group;
}

}  // namespace anemll
