// What `anemll` starts: programs beside it, and launch scripts.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

struct FrontProgram {
  std::string_view name;  ///< without anemll_
  std::string_view about;
};
std::span<const FrontProgram> front_programs();

/// The launch scripts that a user types, without .sh.
std::span<const std::string_view> front_scripts();

/// Where this program lies, and with it the others and the scripts.
class FrontPlace {
 public:
  FrontPlace();
  std::filesystem::path own() const { return own_; }
  std::filesystem::path programs() const { return own_.parent_path(); }
  std::filesystem::path program(std::string_view name) const;
  /// Of an installation or of the source tree around a build; nothing where there are none.
  std::optional<std::filesystem::path> script(std::string_view name) const;

 private:
  std::filesystem::path own_;
};

/// The first sentence of the comment at the head of a script.
std::string script_about(const std::filesystem::path& script);

/// Becomes the program or script with these words: does not return. A data error when it is not there.
[[noreturn]] void start_program(const FrontPlace& place, std::string_view name,
                                std::vector<std::string> words);
[[noreturn]] void start_script(const FrontPlace& place, std::string_view name,
                               std::vector<std::string> words);

}  // namespace anemll
