// The table of values a weight may take: n half-precision numbers from -1 to 1, widened to float.
#pragma once

#include <cstdint>
#include <vector>

namespace anemll {

/// Ascending: the reference's linspace in binary16, rounded after every operation. With `include_zero` and an
/// even n the table is asymmetric: n/2 values below zero, then n/2 from 0 to 1. Throws a usage error unless 2
/// <= n <= 256 (indices are one byte).
std::vector<float> make_lut(std::int64_t n, bool include_zero = false);

}  // namespace anemll
