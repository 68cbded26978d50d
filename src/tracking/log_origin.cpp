// The facts of this host and moment.
#include "src/core/build_info.hpp"
#include "src/core/platform.hpp"
#include "src/tracking/metric.hpp"

#include <chrono>
#include <cstddef>
#include <random>
#include <string_view>

#include <unistd.h>

namespace anemll {

LogOrigin log_origin() {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr int kLength = 8;
  LogOrigin origin;
  origin.now = [] {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  };
  origin.host = host_name();
  origin.system = build_info().system;
  origin.process = ::getpid();
  std::random_device random;  // two runs of one second on two machines are two runs
  std::uniform_int_distribution<std::size_t> letter(0, kLetters.size() - 1);
  for (int i = 0; i < kLength; ++i) origin.id += kLetters[letter(random)];
  return origin;
}

}  // namespace anemll
