// PyTorch's .pt container without PyTorch: a restricted reader (zip and legacy format, no code is ever
// run) and a writer that torch.load(weights_only=True, mmap=True) accepts.
#pragma once

#include "anemll/core/file.hpp"
#include "anemll/core/tensor.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace anemll {

/// What a pickle holds once it is read: a tree of plain values and tensors. Shared objects stay shared;
/// nothing contains itself. Dtypes and devices become strings ("torch.float32", "cuda:0"), torch.Size a list;
/// parameters and tensors with Python attributes become plain tensors; the `_metadata` of state dicts is
/// dropped.
struct TorchValue {
  using List = std::vector<TorchValue>;                         ///< list or tuple
  using Dict = std::vector<std::pair<TorchValue, TorchValue>>;  ///< in file order; keys are strings or ints
  struct None {};
  std::variant<None, bool, std::int64_t, double, std::string, HostTensor, std::shared_ptr<List>,
               std::shared_ptr<Dict>>
      value;
};

/// Reads any file of the restricted grammar. Tensors of zip files are views of the memory map unless they are
/// deflated or unaligned; every element is aligned to its size. Stored payloads are not compared with their
/// CRC. Data errors name the file and the reason: truncation, forbidden global (by name), missing or short
/// storage, nesting or size bombs.
TorchValue read_torch_file(const std::filesystem::path& path);
/// The same of a file that the caller has mapped.
TorchValue read_torch_file(const std::shared_ptr<const MappedFile>& file);

/// All tensors of the tree under dotted names ("model_state_dict.w", list items by position), in file order.
/// A lone tensor has the empty name. Two tensors of one name are a data error, which names `file`.
TensorMap flatten_tensors(const TorchValue& value, const std::filesystem::path& file = {});

/// A checkpoint's flat state dict: reads the file, unwraps a top-level "model_state_dict" ("state_dict",
/// "model" or "module" of files without tensors beside it), keeps its direct tensors only. A file without any
/// is a data error.
TensorMap read_state_dict(const std::filesystem::path& path);
TensorMap read_state_dict(const std::shared_ptr<const MappedFile>& map);

/// Writes one plain dict of tensors as a zip (stored, 64-byte aligned, ZIP64 when needed). Aliases share
/// one storage. Atomic: temp, fsync, rename. `before` is called with the place of each tensor before it is
/// made, in order; aliases are not made. What it throws ends the writing and leaves nothing.
void write_torch_file(const std::filesystem::path& path, std::span<const LazyTensor> tensors,
                      const std::function<void(std::size_t)>& before = nullptr);

}  // namespace anemll
