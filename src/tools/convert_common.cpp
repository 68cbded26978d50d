#include "src/tools/convert_common.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/formats/told_write.hpp"

#include <utility>

namespace anemll {
namespace fs = std::filesystem;

std::unique_ptr<OutputFolder> take_checkpoint_folder(const fs::path& target, const std::string& flag) {
  if (target.extension() != ".pt")
    throw_usage(target.filename().string() + " does not end in .pt", flag, "give the name of a PyTorch file");
  auto folder = std::make_unique<OutputFolder>(target.parent_path(), converted_checkpoint(), flag,
                                               std::vector<std::string>{target.filename().string()});
  folder->take();
  return folder;
}

void write_checkpoint(OutputFolder& folder, const fs::path& target, const std::vector<LazyTensor>& tensors,
                      const std::string& config) {
  folder.set_aside();
  write_torch_file_told(target, tensors, "writing " + target.string(), "writing the checkpoint");
  write_file(target.parent_path() / "config.json", config);
}

}  // namespace anemll
