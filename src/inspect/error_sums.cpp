#include "src/inspect/error_sums.hpp"

#include <cmath>
#include <limits>

#include <ATen/core/grad_mode.h>

namespace anemll {

void ErrorSums::add(const at::Tensor& value, const at::Tensor& target, const at::Tensor& rows) {
  const at::NoGradGuard no_grad;
  const auto chosen = [&rows](const at::Tensor& x) {
    const at::Tensor flat = x.detach().reshape({-1, x.size(-1)});
    return (rows.defined() ? flat.index_select(0, rows.to(x.device())) : flat).to(at::kDouble);
  };
  const at::Tensor truth = chosen(target);
  const at::Tensor difference = chosen(value).sub(truth);
  absolute += difference.abs().sum().item<double>();
  squared += difference.square().sum().item<double>();
  wanted += truth.square().sum().item<double>();
  count += truth.numel();
}

double ErrorSums::mean_absolute() const {
  return absolute / static_cast<double>(count);
}

double ErrorSums::root_mean_square() const {
  return std::sqrt(squared / static_cast<double>(count));
}

double ErrorSums::relative() const {
  if (count == 0) return std::numeric_limits<double>::quiet_NaN();
  if (squared == 0) return 0;
  return wanted == 0 ? std::numeric_limits<double>::infinity() : std::sqrt(squared / wanted);
}

}  // namespace anemll
