// What both writers need of their input: checked names and aliases, and one tensor's bytes at a time.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/formats/internal/byte_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace anemll::formats {

/// For each tensor the position of the one that owns its storage: its own, or the end of the alias chain.
/// Data errors: empty or repeated names, aliases of later or unknown entries or of another size or type,
/// shapes that are negative or overflow.
std::vector<std::size_t> storage_owners(std::span<const LazyTensor> tensors, const Complaint& complain);

/// Bytes of a packed tensor of this shape, which `storage_owners` has checked.
std::uint64_t packed_bytes(const LazyTensor& tensor);

/// Makes the tensor, checks that it is what was announced and packs it.
HostTensor materialize(const LazyTensor& tensor, const Complaint& complain);

inline std::span<const std::byte> bytes_of(const HostTensor& packed) {
  return {packed.data, packed.bytes()};
}

}  // namespace anemll::formats
