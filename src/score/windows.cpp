#include "src/score/windows.hpp"

#include <algorithm>
#include <cstddef>

namespace anemll {
namespace {

/// The `length` tokens before `end`; the last `scored` of their positions with a next token count.
ScoreWindow window(std::span<const std::int32_t> ids, std::int64_t end, std::int64_t length,
                   std::int64_t scored) {
  const auto part = ids.subspan(static_cast<std::size_t>(end - length), static_cast<std::size_t>(length));
  return {{part.begin(), part.end()}, length - 1 - scored, scored, {}};
}

}  // namespace

std::vector<ScoreWindow> cut_windows(std::span<const std::int32_t> ids, const WindowProtocol& protocol) {
  const auto total = static_cast<std::int64_t>(ids.size());
  const std::int64_t context = std::min(protocol.context, total);
  std::vector<ScoreWindow> windows;
  if (protocol.kind == WindowKind::sliding) {
    const std::int64_t stride =
        protocol.stride > 0 ? protocol.stride : std::max<std::int64_t>(protocol.context / 2, 1);
    for (std::int64_t before = 0; before < total; before += stride) {
      const std::int64_t end = std::min(before + stride, total);
      const std::int64_t length = end - std::max<std::int64_t>(before + stride - protocol.context, 0);
      const std::int64_t scored = std::min(end - before, length - 1);
      if (scored > 0) windows.push_back(window(ids, end, length, scored));
    }
    return windows;
  }
  const std::int64_t first = protocol.kind == WindowKind::halves ? context / 2 : 0;
  const std::int64_t scored = context - 1 - first;
  if (scored < 1) return windows;
  for (std::int64_t end = context; end <= total; end += context)
    windows.push_back(window(ids, end, context, scored));
  return windows;
}

}  // namespace anemll
