// Who holds a lock of file_lock.hpp, found out without touching it: whoever tries to take one for a look
// keeps a program that starts at that moment from its folder.
#pragma once

#include <filesystem>
#include <optional>

namespace anemll {

/// The process of this host that holds a lock on `file`. Nothing where none does, where the system does not
/// tell, or where the process is on another host or not to be seen from this container.
std::optional<int> lock_holder(const std::filesystem::path& file);

}  // namespace anemll
