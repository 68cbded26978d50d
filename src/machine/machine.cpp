#include "src/machine/machine.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/child.hpp"
#include "src/core/printable.hpp"
#include "src/machine/internal/facts.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include <unistd.h>

namespace anemll {
namespace {

namespace fs = std::filesystem;

constexpr double kAnswerLimit_s = 10;  // a broken driver answers never

/// What a program says, also of its own trouble; empty where there is no such program.
std::string said_by(const std::optional<fs::path>& program, const std::vector<std::string>& words) {
  if (!program) return "";
  ChildSetup setup;
  setup.limit_s = kAnswerLimit_s;
  try {
    const ChildEnd end = run_child(*program, words, setup);
    if (end.killed) return strf("no answer in %.0f s", kAnswerLimit_s);
    return end.output.empty() ? strf("it ends with %d", end.code) : end.output;
  } catch (const Error& error) {
    return error.problem();
  }
}

/// The system's loader lists the libraries of a program instead of starting it.
std::string traced(const fs::path& program) {
  ChildSetup setup;
  setup.variables = {"LD_TRACE_LOADED_OBJECTS=1"};
  setup.limit_s = kAnswerLimit_s;
  try {
    return run_child(program, {}, setup).output;
  } catch (const Error&) {
    return "";
  }
}

fs::path temporary_folder() {
  const char* variable = std::getenv("TMPDIR");
  return variable != nullptr && *variable != '\0' ? variable : "/tmp";
}

}  // namespace

std::vector<FactGroup> machine_facts(const fs::path& program) {
  const std::optional<fs::path> mpirun = find_program("mpirun");
  const std::string gpus =
      said_by(find_program("nvidia-smi"),
              {"--query-gpu=index,name,memory.total,driver_version,compute_cap,mig.mode.current",
               "--format=csv,noheader"});
  std::vector<FactGroup> groups = {
      system_facts(),
      processor_facts(),
      memory_facts(),
      disk_facts({{"here", "."}, {"temporary files", temporary_folder()}, {"shared memory", "/dev/shm"}}),
      gpu_facts(gpus),
      library_facts(traced(program)),
      mpi_facts(mpirun.value_or(""), said_by(mpirun, {"--version"})),
      limit_facts(),
      variable_facts(environ)};
  return groups;
}

std::string facts_text(const std::vector<FactGroup>& groups) {
  std::string out;
  for (const FactGroup& group : groups) {
    std::size_t width = 0;
    for (const auto& [name, value] : group.facts) width = std::max(width, name.size());
    out += (out.empty() ? "" : "\n") + group.title + "\n";
    if (group.facts.empty()) out += "  nothing known\n";
    for (const auto& [name, value] : group.facts) {
      out += "  " + name + std::string(width - name.size() + 2, ' ') + printable(value) + "\n";
    }
  }
  return out;
}

}  // namespace anemll
