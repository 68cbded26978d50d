#include "src/core/common_options.hpp"

namespace anemll {

void add_strict_option(OptionTable& table, bool* strict, const std::string& inputs) {
  table.add_flag("strict", strict, "anything of " + inputs + " that is not used is an error");
}

}  // namespace anemll
