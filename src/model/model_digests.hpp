// What ranks compare of a model: that all of them opened the same.
#pragma once

#include "anemll/model/model_files.hpp"

#include <string>
#include <vector>

namespace anemll {

struct ModelDigest {
  std::string what;    ///< "fingerprint", "configuration", "content"
  std::string digest;  ///< its first 12 digits, for a table of ranks
};

/// Reads the files of the weights whole.
std::vector<ModelDigest> model_digests(const ModelFiles& model);

}  // namespace anemll
