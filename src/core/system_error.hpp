// What a person can do about a failed system call: one table from causes to hints for every room.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

namespace anemll {

/// The hint for a cause, `otherwise` for one that the table lacks. `also` is appended to the first: what else
/// helps here.
std::string hint_of(const std::error_code& cause, const std::string& otherwise, const std::string& also = {});

/// The hint whose cause the text tells in the system's words ("... No space left on device ..."): for
/// libraries that report so. Empty where it tells none.
std::string hint_in(const std::string& text);

/// A data error "action: the system's words" with that hint.
[[noreturn]] void throw_system(const std::string& action, const std::filesystem::path& path,
                               const std::error_code& cause,
                               const std::string& otherwise = "check that the path exists and is reachable",
                               const std::string& also = {});
/// The same with errno.
[[noreturn]] void throw_system(const std::string& action, const std::filesystem::path& path);

}  // namespace anemll
