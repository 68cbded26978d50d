# Run by every build (cmake -P): writes OUTPUT from git describe of SOURCE_DIR, and only when the text changed,
# so that a new commit recompiles one small file.
set(describe "unknown")
if(GIT_EXECUTABLE)
  # An unpacked archive inside somebody else's repository must not take that repository's name.
  get_filename_component(parent "${SOURCE_DIR}" DIRECTORY)
  set(ENV{GIT_CEILING_DIRECTORIES} "${parent}")
  set(ENV{GIT_OPTIONAL_LOCKS} 0)
  execute_process(COMMAND "${GIT_EXECUTABLE}" describe --always --dirty --tags
                  WORKING_DIRECTORY "${SOURCE_DIR}" RESULT_VARIABLE status
                  OUTPUT_VARIABLE text OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(status EQUAL 0 AND text MATCHES "^[A-Za-z0-9._/+-]+$")
    set(describe "${text}")
  endif()
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY CONTENT [=[// Written by cmake/git_describe.cmake.
#include "src/core/internal/build_git.hpp"

namespace anemll {

const char* build_git_describe() { return "@describe@"; }

}  // namespace anemll
]=])
