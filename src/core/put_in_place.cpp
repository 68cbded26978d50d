#include "src/core/put_in_place.hpp"

#include "src/core/system_error.hpp"

#include <system_error>

namespace anemll {

void put_in_place(const std::filesystem::path& draft, const std::filesystem::path& target) {
  std::error_code failed;
  std::filesystem::rename(draft, target, failed);
  if (!failed) return;
  std::error_code ignored;
  std::filesystem::remove(draft, ignored);
  throw_system("cannot rename " + draft.filename().string(), target, failed,
               "check that nothing else writes there");
}

}  // namespace anemll
