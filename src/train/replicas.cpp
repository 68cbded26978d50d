// One hash of all trained values per rank, compared by its lowest and highest.
#include "src/train/internal/replicas.hpp"

#include "anemll/core/error.hpp"
#include "src/core/rng.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <ATen/core/Tensor.h>

namespace anemll {
namespace {

/// Bytes of a tensor as one number; where they lie counts.
std::uint64_t hash_of(const at::Tensor& values) {
  const at::Tensor host = values.detach().cpu().contiguous();
  const auto* data = static_cast<const std::byte*>(host.const_data_ptr());
  const std::size_t size = host.nbytes();
  std::uint64_t hash = 0;
  for (std::size_t at = 0; at < size; at += sizeof(std::uint32_t)) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, data + at, std::min(sizeof(bits), size - at));
    hash += mix64(bits ^ (static_cast<std::uint64_t>(at / sizeof(bits)) << 32U));
  }
  return hash;
}

}  // namespace

void check_replicas(Communicator& comm, const Selection& selection) {
  if (comm.size() == 1) return;
  std::uint64_t hash = hash_of(selection.parameters->values());
  for (const Selection::Codes& code : selection.codes) hash = mix64(hash + hash_of(*code.slot));
  std::int64_t lowest[] = {static_cast<std::int64_t>(hash)};
  std::int64_t highest[] = {static_cast<std::int64_t>(hash)};
  comm.all_reduce(std::span<std::int64_t>(lowest), ReduceOp::min);
  comm.all_reduce(std::span<std::int64_t>(highest), ReduceOp::max);
  if (lowest[0] != highest[0]) {
    throw_comm("the ranks' parameters have drifted apart", "parameter hash",
               "the ranks have the same options, build and files, so their processors or libraries compute "
               "differently: use equal machines, or --precision fp32; the last checkpoint is still good");
  }
}

}  // namespace anemll
