// The commands of anemll_convert, one file each. Each parses its own options; the table of them is in
// anemll_convert.cpp.
#pragma once

namespace anemll {

int convert_v1_to_v2_command(int argc, const char* const* argv);
int convert_q4_to_q2_command(int argc, const char* const* argv);
int convert_state_command(int argc, const char* const* argv);
int convert_merge_command(int argc, const char* const* argv);

}  // namespace anemll
