// The groups of facts, each from what it is read of. `root` stands for / (tests). Private to src/machine.
#pragma once

#include "src/machine/machine.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace anemll {

FactGroup system_facts(const std::filesystem::path& root = "/");
FactGroup processor_facts(const std::filesystem::path& root = "/");
FactGroup memory_facts();
/// Of the disks of these folders: free and whole size, and the kind of file system.
FactGroup disk_facts(const std::vector<std::pair<std::string, std::filesystem::path>>& folders,
                     const std::filesystem::path& root = "/");
/// `listed`: what nvidia-smi lists, one GPU a line, or says of its trouble; empty where there is none.
FactGroup gpu_facts(const std::string& listed, const std::filesystem::path& root = "/");
/// `traced`: the list of the loader (ldd), "name => file (address)" a line.
FactGroup library_facts(const std::string& traced);
/// `version`: what mpirun --version says. An empty `mpirun`: there is none.
FactGroup mpi_facts(const std::filesystem::path& mpirun, const std::string& version);
FactGroup limit_facts();
/// Variables ("NAME=value") that programs of ours, or libraries of theirs, read. Secrets are not told.
FactGroup variable_facts(const char* const* environment);

}  // namespace anemll
