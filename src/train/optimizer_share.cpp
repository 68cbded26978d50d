#include "src/train/internal/optimizer_share.hpp"

#include <cstddef>
#include <span>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

namespace anemll {
namespace {

std::span<std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

}  // namespace

OptimizerShare::OptimizerShare(Communicator& comm, std::int64_t numel, bool shard)
    : comm_(comm), numel_(numel), sharded_(shard && comm.size() > 1) {}

std::int64_t OptimizerShare::begin_of(int rank) const {
  if (sharded_) return numel_ * rank / comm_.size();
  return rank == comm_.rank() ? 0 : numel_;
}

void OptimizerShare::complete(const at::Tensor& flat) const {
  if (!sharded_) return;
  const at::NoGradGuard no_grad;
  for (int rank = 0; rank < comm_.size(); ++rank) {
    const std::int64_t count = begin_of(rank + 1) - begin_of(rank);
    const at::Tensor part = flat.narrow(0, begin_of(rank), count);
    if (flat.device().is_cpu()) {
      comm_.broadcast(bytes_of(part), rank);
      continue;
    }
    const at::Tensor host = rank == comm_.rank() ? part.cpu() : at::empty({count}, at::kFloat);
    comm_.broadcast(bytes_of(host), rank);
    if (rank != comm_.rank()) part.copy_(host);
  }
}

at::Tensor OptimizerShare::whole(const at::Tensor& part) const {
  if (!sharded_) return part;
  const at::NoGradGuard no_grad;
  at::Tensor all;
  if (comm_.is_root()) all = at::empty({numel_}, at::kFloat);
  for (int rank = 0; rank < comm_.size(); ++rank) {
    const std::int64_t count = begin_of(rank + 1) - begin_of(rank);
    const at::Tensor piece =
        rank == comm_.rank() ? part.detach().cpu().contiguous() : at::empty({count}, at::kFloat);
    comm_.broadcast(bytes_of(piece), rank);
    if (all.defined()) all.narrow(0, begin_of(rank), count).copy_(piece);
  }
  return all;
}

}  // namespace anemll
