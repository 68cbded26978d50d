// anemll_convert: models from one form into another. One command per job, one row each.
#include "src/core/build_info.hpp"
#include "src/core/tool.hpp"
#include "src/tools/convert_commands.hpp"

#include <string>

namespace {

constexpr const char* kUsage =
    "anemll_convert: models from one form into another\n"
    "\n"
    "usage: anemll_convert COMMAND ARGUMENTS\n"
    "\n"
    "  v1-to-v2                a trained V1 checkpoint as the start of V2 training\n"
    "  q4-to-q2                a trained 4-bit checkpoint as the start of a 2-bit one\n"
    "  state RUN|STATE OUT.pt  a saved state of a run as a checkpoint, in the reference's form\n"
    "  merge CKPT OUT_DIR      a checkpoint as a Hugging Face folder with plain weights\n"
    "\n"
    "'anemll_convert COMMAND --help' lists the options of a command; --version prints build facts.\n"
    "Exit codes: 0 done, 2 command line, 3 a file or its content, 5 values that are not finite, 75 "
    "stopped.\n";

}  // namespace

int main(int argc, char** argv) {
  using enum anemll::ProgramKind;
  const anemll::Command commands[] = {{"v1-to-v2", anemll::convert_v1_to_v2_command, maker},
                                      {"q4-to-q2", anemll::convert_q4_to_q2_command, maker},
                                      {"state", anemll::convert_state_command, maker},
                                      {"merge", anemll::convert_merge_command, maker}};
  return anemll::run_tool(
      [&] { return anemll::run_command("anemll_convert", kUsage, commands, argc, argv); });
}
