// A hash of each trained tensor; the hash of all is compared by its lowest and highest over the ranks.
#include "src/train/internal/replicas.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/comm/agreement.hpp"
#include "src/core/rng.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {
namespace {

constexpr std::size_t kToldTensors = 8;

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

struct NamedHash {
  std::string name;
  std::uint64_t hash;
};

/// Of every trained tensor, in an order that all ranks have.
std::vector<NamedHash> hashes_of(const Selection& selection) {
  std::vector<NamedHash> list;
  const at::Tensor values = selection.parameters->values().detach();
  for (const FlatParameters::Item& item : selection.parameters->items())
    list.push_back({item.name, hash_of(values.narrow(0, item.offset, item.numel))});
  for (const Selection::Codes& code : selection.codes) list.push_back({code.name, hash_of(*code.slot)});
  return list;
}

/// Throws with the first tensors that differ, rank by rank.
void throw_differences(Communicator& comm, const std::vector<NamedHash>& mine) {
  const std::size_t tensors = mine.size();
  std::vector<std::uint64_t> hashes(tensors), all(tensors * static_cast<std::size_t>(comm.size()));
  std::transform(mine.begin(), mine.end(), hashes.begin(), [](const NamedHash& h) { return h.hash; });
  comm.all_gather(std::as_bytes(std::span(hashes)), std::as_writable_bytes(std::span(all)));
  std::vector<std::size_t> differ;
  for (std::size_t t = 0; t < tensors; ++t) {
    for (std::size_t at = t; at < all.size(); at += tensors) {
      if (all[at] == all[t]) continue;
      differ.push_back(t);
      break;
    }
  }
  Agreement agreement(
      ExitCode::communication,
      "the ranks have the same options, build and files, so their processors, memories or "
      "libraries compute differently: use equal machines, or --precision fp32, and look at a host "
      "that is alone with its values; the last checkpoint is still good",
      strf("the ranks' parameters have drifted apart in %zu of %zu tensors, here by a hash", differ.size(),
           tensors));
  for (std::size_t i = 0; i < std::min(differ.size(), kToldTensors); ++i)
    agreement.add(mine[differ[i]].name, strf("%08x", static_cast<unsigned>(hashes[differ[i]] >> 32U)));
  agreement.check(comm);
}

}  // namespace

void check_replicas(Communicator& comm, const Selection& selection) {
  if (comm.size() == 1) return;
  const std::vector<NamedHash> mine = hashes_of(selection);
  std::uint64_t hash = 0;
  for (const NamedHash& tensor : mine) hash = mix64(hash + tensor.hash);
  std::int64_t lowest[] = {static_cast<std::int64_t>(hash)};
  std::int64_t highest[] = {static_cast<std::int64_t>(hash)};
  comm.all_reduce(std::span<std::int64_t>(lowest), ReduceOp::min);
  comm.all_reduce(std::span<std::int64_t>(highest), ReduceOp::max);
  if (lowest[0] != highest[0]) throw_differences(comm, mine);
}

}  // namespace anemll
