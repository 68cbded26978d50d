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

/// Error's own text has where, what and hint run together for logs; a person reads them apart.
std::string bare_text(const Error& e) {
  std::string text = e.what();
  const std::string tail = e.hint().empty() ? "" : "\n  hint: " + e.hint();
  if (!tail.empty() && text.ends_with(tail)) text.resize(text.size() - tail.size());
  const std::string head = e.where().empty() ? "" : e.where() + ": ";
  if (!head.empty() && text.starts_with(head)) text.erase(0, head.size());
  return text;
}

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
    std::string text = bare_text(e);
    if (!e.where().empty()) text += "\n  where: " + e.where();
    if (!e.hint().empty()) text += "\n  hint: " + e.hint();
    Logger::instance().plain("error: " + text);
    return static_cast<int>(e.code());
  }
}

}  // namespace anemll
