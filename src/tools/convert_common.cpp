#include "src/tools/convert_common.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/core/signals.hpp"

#include <cstddef>
#include <cstdint>
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
  const auto total = static_cast<std::int64_t>(tensors.size());
  Progress bar("writing " + target.string(), total, "tensors");
  write_torch_file(target, tensors, [&bar](std::size_t place) {
    leave_on_signal("writing the checkpoint", "nothing was written: run the same command again");
    bar.update(static_cast<std::int64_t>(place) + 1);
  });
  bar.update(total);  // aliases are never made
  bar.finish();
  write_file(target.parent_path() / "config.json", config);
}

}  // namespace anemll
