// Which implementation of an operation runs, by device and by type of the elements. Nothing else in the code
// decides that: an operation states its implementations in one row, a kernel states its types by `dispatch`.
#pragma once

#include "anemll/core/error.hpp"
#include "src/kernels/simd.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <optional>

#include <ATen/core/Tensor.h>

namespace anemll::kernels {

/// The types of elements that kernels are made for.
constexpr bool is_kernel_type(at::ScalarType type) {
  return type == at::kFloat || type == at::kBFloat16;
}

/// f<float>() or f<Bf16>(), and what that returns. A usage error for any other type.
template <class F>
decltype(auto) dispatch(at::ScalarType type, const F& f) {
  if (type == at::kBFloat16) return f.template operator()<Bf16>();
  if (type == at::kFloat) return f.template operator()<float>();
  throw_usage("kernels are made for fp32 and bf16 alone", at::toString(type), "");
}

/// The elements of a contiguous tensor whose type the caller has dispatched on; null for an undefined one.
template <class T>
T* data(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.data_ptr()) : nullptr;
}

/// A tensor that may be undefined, as operators and autograd's functions want it.
inline std::optional<at::Tensor> optional(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
}

/// The kind of device that all tensors stand on; none when they stand on several. The first must be defined,
/// an undefined one after it counts for nothing.
template <class... Others>
std::optional<at::DeviceType> common_device(const at::Tensor& first, const Others&... others) {
  const at::DeviceType device = first.device().type();
  const bool together = ((!others.defined() || others.device().type() == device) && ...);
  return together ? std::optional(device) : std::nullopt;
}

template <class Signature>
class Operation;

/// One operation: its generic form by tensor operations, which serves all devices and types, and the kernels
/// that are better on one device. All of them have the same arguments. Made at compile time.
template <class Result, class... Arguments>
class Operation<Result(Arguments...)> {
 public:
  using Function = Result (*)(Arguments...);

  struct Kernel {
    at::DeviceType device;
    Function run;
    bool (*takes)(Arguments...) = nullptr;  ///< whether it can serve these arguments; null: all on its device
  };

  constexpr Operation(Function generic, std::initializer_list<Kernel> kernels)
      : generic_(generic), count_(kernels.size()) {
    std::copy(kernels.begin(), kernels.end(), kernels_.begin());  // too many do not compile
  }

  /// The first kernel made for `device` that takes the arguments, else the generic form. `device` is that of
  /// the tensors whose elements the kernel would read; see common_device.
  Result run(std::optional<at::DeviceType> device, Arguments... arguments) const {
    for (std::size_t i = 0; i < count_; ++i) {
      const Kernel& kernel = kernels_[i];
      if (kernel.device == device && (kernel.takes == nullptr || kernel.takes(arguments...)))
        return kernel.run(arguments...);
    }
    return generic_(arguments...);
  }

 private:
  Function generic_;
  std::size_t count_;
  std::array<Kernel, 4> kernels_{};
};

}  // namespace anemll::kernels
