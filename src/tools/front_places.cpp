// Where the programs and scripts lie, from the place of this one, and how it becomes one of them.
#include "anemll/core/error.hpp"
#include "src/core/platform.hpp"
#include "src/core/system_error.hpp"
#include "src/tools/front_programs.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <system_error>

#include <unistd.h>

namespace anemll {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 9> kScripts = {"two_bit",         "workflow_a", "workflow_b",
                                                      "workflow_c",      "mpirun",     "supervise",
                                                      "run_v2_training", "pull_cache", "save_to_drive"};

// From the folder of the programs: bin of an installation, build/PRESET/bin of a source tree.
constexpr std::array<const char*, 2> kLaunch = {"../share/anemll_train/launch", "../../../launch"};

[[noreturn]] void become(const std::string& file, std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execvp(file.c_str(), argv.data());
  const std::error_code code(errno, std::generic_category());
  const bool is_absent = code == std::errc::no_such_file_or_directory;
  throw_data(
      "cannot start the program: " + code.message(), file,
      is_absent ? "build or install all programs together" : hint_of(code, "check that it may be started"));
}

}  // namespace

std::span<const std::string_view> front_scripts() {
  return kScripts;
}

FrontPlace::FrontPlace() : own_(program_file()) {
  if (own_.empty())
    throw_data("this system does not tell where a program lies", "anemll",
               "start anemll_NAME instead of anemll NAME");
}

fs::path FrontPlace::program(std::string_view name) const {
  return name == "front" ? own_ : programs() / ("anemll_" + std::string(name));
}

std::optional<fs::path> FrontPlace::script(std::string_view name) const {
  for (const char* launch : kLaunch) {
    const fs::path file = (programs() / launch / (std::string(name) + ".sh")).lexically_normal();
    std::error_code none;
    if (fs::is_regular_file(file, none)) return file;
  }
  return std::nullopt;
}

std::string script_about(const fs::path& script) {
  std::ifstream in(script);
  std::string line;
  std::getline(in, line);  // #!
  std::getline(in, line);
  line.erase(0, std::min(line.size(), line.find_first_not_of("# ")));
  const std::size_t end = std::min(line.find(". "), line.find(": "));
  line = line.substr(0, end);
  if (line.ends_with('.')) line.pop_back();
  return line;
}

void start_program(const FrontPlace& place, std::string_view name, std::vector<std::string> words) {
  const std::string file = place.program(name).string();
  words.insert(words.begin(), file);
  become(file, words);
}

void start_script(const FrontPlace& place, std::string_view name, std::vector<std::string> words) {
  const auto script = place.script(name);
  if (!script)
    throw_data(
        "there is no script " + std::string(name) + ".sh", place.programs().string(),
        "the scripts lie in share/anemll_train/launch of an installation, and in launch of the source tree");
  // Scripts look there first, and mpirun starts programs by their names.
  const std::string programs = place.programs().string();
  const char* path = std::getenv("PATH");
  ::setenv("ANEMLL_BIN", programs.c_str(), 0);
  ::setenv("PATH", (programs + (path != nullptr ? std::string(":") + path : "")).c_str(), 1);
  words.insert(words.begin(), {"bash", script->string()});
  become("bash", words);
}

}  // namespace anemll
