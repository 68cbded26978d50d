#include "src/formats/told_write.hpp"

#include "anemll/core/log.hpp"
#include "src/core/signals.hpp"

#include <cstddef>
#include <cstdint>

namespace anemll {

void write_torch_file_told(const std::filesystem::path& path, std::span<const LazyTensor> tensors,
                           const std::string& label, const char* during) {
  const auto total = static_cast<std::int64_t>(tensors.size());
  Progress bar(label, total, "tensors");
  write_torch_file(path, tensors, [&](std::size_t place) {
    leave_on_signal(during, "nothing was written: run the same command again");
    bar.update(static_cast<std::int64_t>(place) + 1);
  });
  bar.update(total);  // aliases are never made
  bar.finish();
}

}  // namespace anemll
