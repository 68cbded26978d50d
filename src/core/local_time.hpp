// Times of the day for names and reports.
#pragma once

#include <ctime>
#include <string>

namespace anemll {

/// `time` in the zone of this machine, as strftime's `format` says it; at most 63 bytes.
std::string local_time(std::time_t time, const char* format);

}  // namespace anemll
