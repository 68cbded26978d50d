// Exceptions to text and exit codes.
#include "anemll/core/tool.hpp"

#include "anemll/core/build_info.hpp"
#include "anemll/core/error.hpp"
#include "src/core/logger.hpp"

#include <cstring>
#include <exception>
#include <filesystem>
#include <new>
#include <string>

namespace anemll {
namespace {

Error out_of_memory() {
  return Error(ExitCode::data, "out of memory", "",
               "use a smaller batch, fewer ranks on this machine, or more memory");
}

Error bug(const std::string& what) {
  const BuildInfo& b = build_info();
  return Error(ExitCode::unexpected, "unexpected: " + what, "",
               "please report this with the command line and this build: " + b.version + ", git " + b.git +
                   ", " + b.compiler + ", libtorch " + b.libtorch);
}

}  // namespace

Error current_error() {
  try {
    throw;
  } catch (const Error& e) {
    return e;
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (const std::filesystem::filesystem_error& e) {
    return Error(ExitCode::data, e.code().message(), e.path1().string(),
                 "check the path, its permissions and free space");
  } catch (const std::exception& e) {
    // LibTorch's CPU allocator throws an exception type of its own.
    if (std::strstr(e.what(), "not enough memory") != nullptr ||
        std::strstr(e.what(), "can't allocate memory") != nullptr) {
      return out_of_memory();
    }
    return bug(e.what());
  } catch (...) {
    return bug("an exception of unknown type");
  }
}

int run_tool(const std::function<int()>& body) {
  try {
    return body();
  } catch (...) {
    const Error e = current_error();
    std::string text = e.problem();
    if (!e.where().empty()) text += "\n  where: " + e.where();
    if (!e.hint().empty()) text += "\n  hint: " + e.hint();
    Logger::instance().plain("error: " + text);
    return static_cast<int>(e.code());
  }
}

int run_command(const std::string& program, const std::string& usage, std::span<const Command> commands,
                int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  std::string names;
  for (const Command& command : commands) {
    if (name == command.name) return command.run(argc - 1, argv + 1);
    names += (names.empty() ? "" : ", ") + command.name;
  }
  if (name == "--help" || name == "-h" || name == "help") {
    std::fputs(usage.c_str(), stdout);
    return 0;
  }
  if (name == "--version") {
    std::printf("%s\n", build_summary().c_str());
    return 0;
  }
  throw_usage(name.empty() ? "no command given" : "unknown command '" + name + "'", program,
              "give one of: " + names + "; " + program + " --help explains them");
}

}  // namespace anemll
