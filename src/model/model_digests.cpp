#include "src/model/model_digests.hpp"

#include "src/core/content_digest.hpp"

#include <cstddef>
#include <filesystem>

namespace anemll {

std::vector<ModelDigest> model_digests(const ModelFiles& model) {
  constexpr std::size_t kShown = 12;
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(model.folder)) {
    for (const auto& map : model.maps) files.push_back(map->path());
  } else {
    files = {model.folder};
  }
  return {
      {"fingerprint", model.fingerprint.substr(0, kShown)},
      // The first rule takes the text of the configuration, of which the other one leaves out what does not
      // change the numbers: limits that ranks check, and names that earlier states have of their model.
      {"configuration", model.first_fingerprint.substr(0, kShown)},
      {"content", content_digest(files).substr(0, kShown)}};
}

}  // namespace anemll
