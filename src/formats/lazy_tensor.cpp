// Checks that fail before a writer has created its file, and the one that needs the tensor itself.
#include "src/formats/internal/lazy_tensor.hpp"

#include "src/formats/utf8.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>

namespace anemll::formats {
namespace {

void check_size(const LazyTensor& tensor, const Complaint& complain) {
  auto bytes = static_cast<std::int64_t>(size_of(tensor.dtype));
  for (const std::int64_t dimension : tensor.shape) {
    if (dimension < 0 || !checked_multiply(bytes, std::max<std::int64_t>(dimension, 1), bytes)) {
      complain("tensor '" + tensor.name + "' has an impossible shape");
    }
  }
}

}  // namespace

std::uint64_t packed_bytes(const LazyTensor& tensor) {
  std::uint64_t bytes = size_of(tensor.dtype);
  for (const std::int64_t dimension : tensor.shape) bytes *= static_cast<std::uint64_t>(dimension);
  return bytes;
}

std::vector<std::size_t> storage_owners(std::span<const LazyTensor> tensors, const Complaint& complain) {
  std::vector<std::size_t> owners(tensors.size());
  std::unordered_map<std::string_view, std::size_t> positions;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const LazyTensor& tensor = tensors[i];
    if (tensor.name.empty() || !is_utf8(tensor.name)) complain("a tensor's name is empty or not UTF-8");
    check_size(tensor, complain);
    owners[i] = i;
    if (!tensor.alias_of.empty()) {
      const auto it = positions.find(tensor.alias_of);
      if (it == positions.end()) {
        complain("tensor '" + tensor.name + "' is an alias of '" + tensor.alias_of +
                 "', which does not come before it");
      }
      owners[i] = owners[it->second];
      const LazyTensor& owner = tensors[owners[i]];
      if (owner.dtype != tensor.dtype || packed_bytes(owner) != packed_bytes(tensor)) {
        complain("tensor '" + tensor.name + "' differs in type or size from '" + owner.name +
                 "', whose alias it is");
      }
    }
    if (!positions.emplace(tensor.name, i).second)
      complain("two tensors have the name '" + tensor.name + "'");
  }
  return owners;
}

HostTensor materialize(const LazyTensor& tensor, const Complaint& complain) {
  if (!tensor.make) complain("tensor '" + tensor.name + "' has no content");
  const HostTensor made = tensor.make();
  if (made.dtype != tensor.dtype || made.shape != tensor.shape) {
    complain("tensor '" + tensor.name + "' turned out as " + made.describe());
  }
  return made.packed();
}

}  // namespace anemll::formats
