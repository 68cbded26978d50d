// What tells that a process gets on with its work: a count that grows with every log line, every report of
// progress and every look for a signal. Who watches for a standstill looks whether it has changed.
#pragma once

#include <cstdint>

namespace anemll {

/// For long work that neither logs nor reports progress. Any thread; costs one atomic addition.
void give_life_sign();
/// How many there were.
std::uint64_t life_signs();

}  // namespace anemll
