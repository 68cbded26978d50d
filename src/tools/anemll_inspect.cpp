// anemll_inspect: looks into checkpoints and models and changes nothing. One sub-command per question.
#include "src/core/tool.hpp"
#include "src/tools/inspect_commands.hpp"

namespace {

constexpr const char* kUsage =
    "anemll_inspect: looks into checkpoints\n"
    "\n"
    "usage: anemll_inspect COMMAND ARGUMENTS\n"
    "\n"
    "  layers CHECKPOINT   each quantised linear against the model's own: errors of weight and output,\n"
    "                      indices, scales, range, norms, gradients; the worst first\n"
    "  check FILE          NaN, infinite and very large values, _Q against lut[_indices]\n"
    "  diff FIRST SECOND   tensors only here or there, shapes, types, values, indices\n"
    "  work MODEL          sizes that the passes of a model cost by, and the rate of products here\n"
    "\n"
    "Tables for people; --json gives one JSON object instead.\n"
    "'anemll_inspect COMMAND --help' lists the options of a command; --version prints build facts.\n"
    "Exit codes: 0 done, 2 command line, 3 a file or its content. Those of check are the reference's: 1 "
    "with\n"
    "NaN or infinite values, 2 with values beyond 65000, which FP16 may not hold.\n";

}  // namespace

int main(int argc, char** argv) {
  const anemll::Command commands[] = {{"layers", anemll::inspect_layers_command},
                                      {"check", anemll::inspect_check_command},
                                      {"diff", anemll::inspect_diff_command},
                                      {"work", anemll::inspect_work_command}};
  return anemll::run_tool(
      [&] { return anemll::run_command("anemll_inspect", kUsage, commands, argc, argv); });
}
