#include "src/train/internal/flat_parameters.hpp"

#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

namespace anemll {

FlatParameters::FlatParameters(std::vector<Item> items) : items_(std::move(items)) {
  std::int64_t total = 0;
  for (Item& item : items_) {
    item.numel = item.slot->numel();
    item.shape = item.slot->sizes().vec();
    item.offset = total;
    total += item.numel;
  }
  const at::TensorOptions options =
      items_.empty() ? at::TensorOptions(at::kFloat) : items_.front().slot->options().dtype(at::kFloat);
  values_ = at::empty({total}, options.requires_grad(false));
  gradients_ = at::zeros({total}, options.requires_grad(false));
  for (Item& item : items_) {
    const at::Tensor old = item.slot->detach();
    at::Tensor view = values_.narrow(0, item.offset, item.numel).view(old.sizes());
    view.copy_(old);
    view = view.detach();  // a leaf of its own that shares the buffer
    view.set_requires_grad(true);
    view.mutable_grad() = gradients_.narrow(0, item.offset, item.numel).view(old.sizes());
    *std::exchange(item.slot, nullptr) = view;
  }
}

std::vector<std::int64_t> FlatParameters::sizes() const {
  std::vector<std::int64_t> out;
  out.reserve(items_.size());
  for (const Item& item : items_) out.push_back(item.numel);
  return out;
}

}  // namespace anemll
