// Two ranks that are not told the same, as two hosts may be.
#pragma once

#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <fstream>
#include <string>

namespace anemll::test {

/// Two ranks, each with its own command line, through the launch script.
inline ToolResult run_apart(const std::string& rank0, const std::string& rank1) {
  const TempDir dir;
  std::ofstream(dir / "rank.sh") << "if [ \"$OMPI_COMM_WORLD_RANK\" = 0 ]; then " << rank0 << "; else "
                                 << rank1 << "; fi\n";
  return run(mpirun(2, "sh " + (dir / "rank.sh").string()));
}

}  // namespace anemll::test
