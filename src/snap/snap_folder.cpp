#include "src/snap/snap_folder.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/quant/packed_layer.hpp"

#include <system_error>
#include <vector>

namespace anemll {
namespace fs = std::filesystem;
namespace {

fs::path snap_target(const std::string& output, SnapFormat format) {
  const fs::path name = format == SnapFormat::packed ? kPackedFile : "model_state_dict.pt";
  const fs::path extension = fs::path(output).extension();
  const bool is_file = extension == name.extension();
  for (const char* other : {".pt", ".pth", ".bin", ".safetensors"}) {
    if (!is_file && extension == other)
      throw_usage(strf("this format is a file %s", name.extension().c_str()), "--output " + output,
                  "name it so, or give a folder");
  }
  return fs::absolute(is_file ? fs::path(output) : fs::path(output) / name);
}

}  // namespace

SnapPlace take_snap_place(const std::string& output, SnapFormat format, const fs::path& checkpoint) {
  SnapPlace place{snap_target(output, format), nullptr};
  const fs::path folder = place.target.parent_path();
  std::error_code none;
  if (!checkpoint.empty() && fs::equivalent(folder, fs::absolute(checkpoint).parent_path(), none)) {
    throw_usage("the checkpoint lies in the output folder: " + checkpoint.filename().string(),
                folder.string(),
                "the converters merge every weight file of a folder; give --output a folder of its own");
  }
  place.folder = std::make_unique<OutputFolder>(folder, snapped_model(), "--output",
                                                std::vector<std::string>{place.target.filename().string()});
  place.folder->take();
  return place;
}

}  // namespace anemll
