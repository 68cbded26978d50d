// The commands of anemll_inspect. Each parses its own options, prints a report on stdout and gives the exit
// code.
#pragma once

namespace anemll {

/// Figures of each quantised linear of a checkpoint, worst first.
int inspect_layers_command(int argc, const char* const* argv);
/// Health of a file's tensors: 1 with NaN or infinite values, else 2 with values that FP16 may not hold, else
/// 0.
int inspect_check_command(int argc, const char* const* argv);
/// What two files differ in. 0 also where they do.
int inspect_diff_command(int argc, const char* const* argv);
/// What the passes of a model cost, and how fast this machine multiplies.
int inspect_work_command(int argc, const char* const* argv);

}  // namespace anemll
