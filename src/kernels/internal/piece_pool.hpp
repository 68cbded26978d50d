// The threads that take work in small pieces: on cores that other programs use too, who is on a core does the
// work, and a thread that lost its core costs its own share and not everybody's.
#pragma once

#include <cstdint>
#include <functional>

namespace anemll::kernels {

/// Calls body(begin, end) on ranges that cover [0, count), `piece` long but the last, on the calling thread
/// and up to `helpers` others, which have LibTorch's operators run on one thread. An exception of a body is
/// rethrown here, after all of them ended. False, with nothing done, while another thread is in here.
bool run_in_pieces(int helpers, std::int64_t count, std::int64_t piece,
                   const std::function<void(std::int64_t, std::int64_t)>& body);

/// True while the calling thread runs a body of run_in_pieces().
bool inside_a_piece();

}  // namespace anemll::kernels
