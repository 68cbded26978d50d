#include "src/core/local_time.hpp"

#include <array>

namespace anemll {

std::string local_time(std::time_t time, const char* format) {
  std::tm parts{};
  ::localtime_r(&time, &parts);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

}  // namespace anemll
