#include "anemll/core/choices.hpp"

#include <stdexcept>

namespace anemll {

void throw_no_choice() {
  throw std::logic_error("a value of an enum has no row in its table of choices");
}

std::string BoundChoice::name() const {
  return names.at(row());
}

}  // namespace anemll
