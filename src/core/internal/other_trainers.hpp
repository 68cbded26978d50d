// What other trainers call the options that some of our programs have. Private to src/core; a table alone.
#pragma once

#include <span>
#include <string_view>

namespace anemll {

struct OtherName {
  std::string_view theirs;           ///< with dashes
  std::string_view ours;             ///< of several rows with one name, the first that a program has counts
  std::string_view difference = {};  ///< where ours means something else: a sentence
};

std::span<const OtherName> other_trainers_names();

}  // namespace anemll
