// The saved states of a run, by the names of their folders.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace anemll {

struct StateFolder {
  std::int64_t step = 0;
  std::filesystem::path path;
};
/// The newest of the run in `folder`; nothing where it has none.
std::optional<StateFolder> newest_state(const std::filesystem::path& folder);

}  // namespace anemll
