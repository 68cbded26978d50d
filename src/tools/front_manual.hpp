// `anemll manual` and `anemll env`: see the usage text of each table.
#pragma once

namespace anemll {

int front_manual_command(int argc, char** argv);
int front_env_command(int argc, char** argv);

}  // namespace anemll
