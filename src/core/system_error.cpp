// The table behind system_error.hpp.
#include "src/core/system_error.hpp"

#include "anemll/core/error.hpp"

#include <cerrno>
#include <cstring>

namespace anemll {
namespace {

struct Advice {
  int code;
  const char* hint;
};

constexpr Advice kAdvice[] = {
    {ENOSPC, "the disk is full: free disk space or choose another folder"},
    {EDQUOT, "the quota is used up: free disk space or choose a folder on another disk"},
    {EFBIG,
     "the file would exceed the limit on the size of files: raise it (ulimit -f) or choose another disk"},
    {EROFS, "this file system can only be read: choose a folder on another one"},
    {EACCES, "check the permissions of the path and of the folders above it (ls -ld)"},
    {EPERM, "check the permissions of the path and of the folders above it (ls -ld)"},
    {ENOENT, "nothing has this name: check the path with ls, and that its folder exists"},
    {ENOTDIR, "a part of the path is a file, not a folder: give another path"},
    {EISDIR, "this is a folder, not a file: give the path of a file (ls shows those in it)"},
    {EEXIST, "something has this name already: move it away or give another name"},
    {ENOTEMPTY, "the folder holds something: move it away or give another name"},
    {ENAMETOOLONG, "a name may have 255 bytes: give a shorter path"},
    {ELOOP, "links lead to each other: repair them (ls -l shows them) or give the path that is meant"},
    {EMFILE, "this process has too many files open: raise the limit (ulimit -n)"},
    {ENFILE, "the machine has too many files open: end other programs"},
    {ENOMEM, "memory is short: end other programs or use fewer ranks on this machine"},
    {EIO, "the disk or the network behind it failed: check it, then start again"},
    {ESTALE, "the network file system was lost for a while: mount it again, then start again"},
    {ENOTCONN, "the network file system is not connected: mount it again, then start again"},
    {ETIMEDOUT, "the network file system does not answer: check it, then start again"},
    {EBUSY, "another program uses it: end that first"},
    {ETXTBSY, "this file is a program that runs: end that first"},
    {EXDEV, "files are not renamed from one file system to another: choose a folder on the same one"},
    {EMLINK, "the file has as many links as the file system allows: choose a folder on another one"},
    {EINVAL, "the file system does not support this: choose a folder on another one"},
    {EOPNOTSUPP, "the file system does not support this: choose a folder on another one"},
    {EOVERFLOW, "the file is too large for this file system: choose a folder on another one"},
};

}  // namespace

std::string hint_of(const std::error_code& cause, const std::string& otherwise, const std::string& also) {
  const std::error_condition generic = cause.default_error_condition();
  if (generic.category() == std::generic_category()) {
    for (const Advice& advice : kAdvice) {
      if (advice.code == generic.value()) return advice.hint + (also.empty() ? "" : "; " + also);
    }
  }
  return otherwise;
}

std::string hint_in(const std::string& text) {
  for (const Advice& advice : kAdvice) {
    if (text.find(std::generic_category().message(advice.code)) != std::string::npos) return advice.hint;
  }
  return {};
}

void throw_system(const std::string& action, const std::filesystem::path& path, const std::error_code& cause,
                  const std::string& otherwise, const std::string& also) {
  throw_data(action + ": " + cause.message(), path.string(), hint_of(cause, otherwise, also));
}

void throw_system(const std::string& action, const std::filesystem::path& path) {
  throw_system(action, path, {errno, std::generic_category()});
}

}  // namespace anemll
