#include "src/train/internal/disk_room.hpp"

#include "anemll/core/log.hpp"

#include <algorithm>
#include <system_error>

namespace anemll {

std::uint64_t bytes_to_come(const TrainOptions& options, std::int64_t step, std::uint64_t checkpoint,
                            std::uint64_t state) {
  // The best has a name of its own; the last file is written in full and in half precision. A state is
  // written before the one that it replaces goes.
  const std::uint64_t always = 2 * checkpoint + checkpoint / 2 + 2 * state;
  if (options.save_steps == 0) return always;
  std::int64_t copies = std::max<std::int64_t>(options.max_steps - step, 0) / options.save_steps;
  if (options.keep_checkpoints > 0) copies = std::min(copies, options.keep_checkpoints + 1);
  return always + static_cast<std::uint64_t>(copies) * checkpoint;
}

std::string disk_warning(const std::filesystem::path& folder, std::uint64_t bytes) {
  std::error_code code;
  const std::filesystem::space_info space = std::filesystem::space(folder, code);
  if (code || space.available >= bytes) return {};
  return strf(
      "the files of this run will take about %s more, and %s are free in %s (free some before it ends; a run "
      "that finds no room stops with 3, and --resume auto goes on from its last state)",
      format_bytes(bytes).c_str(), format_bytes(space.available).c_str(), folder.c_str());
}

}  // namespace anemll
