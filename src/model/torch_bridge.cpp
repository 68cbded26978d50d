#include "src/model/torch_bridge.hpp"

#include "anemll/core/error.hpp"

#include <string>
#include <utility>

#include <ATen/ops/from_blob.h>

namespace anemll {
namespace {

constexpr std::pair<DType, at::ScalarType> kTypes[] = {
    {DType::f64, at::kDouble},    {DType::f32, at::kFloat},  {DType::f16, at::kHalf},
    {DType::bf16, at::kBFloat16}, {DType::i64, at::kLong},   {DType::i32, at::kInt},
    {DType::i16, at::kShort},     {DType::i8, at::kChar},    {DType::u8, at::kByte},
    {DType::u16, at::kUInt16},    {DType::u32, at::kUInt32}, {DType::u64, at::kUInt64},
    {DType::boolean, at::kBool}};

}  // namespace

at::ScalarType to_torch(DType dtype) {
  for (const auto& [host, torch] : kTypes) {
    if (host == dtype) return torch;
  }
  throw_data("no LibTorch type for " + std::string(name_of(dtype)), {}, "convert the tensor");
}

DType from_torch(at::ScalarType dtype) {
  for (const auto& [host, torch] : kTypes) {
    if (torch == dtype) return host;
  }
  throw_data(std::string("cannot hand out a tensor of type ") + c10::toString(dtype), {},
             "convert the tensor");
}

at::Tensor as_torch(const HostTensor& tensor) {
  const auto options = at::TensorOptions().dtype(to_torch(tensor.dtype)).device(at::kCPU);
  // from_blob refuses null; an empty tensor may have no bytes at all.
  static constexpr std::byte kNothing{};
  void* data = const_cast<std::byte*>(tensor.data != nullptr ? tensor.data : &kNothing);
  return at::from_blob(
      data, tensor.shape, tensor.strides, [owner = tensor.owner](void*) mutable { owner.reset(); }, options);
}

HostTensor as_host(const at::Tensor& tensor) {
  const at::Tensor packed = tensor.detach().to(at::kCPU).contiguous();
  HostTensor host;
  host.dtype = from_torch(packed.scalar_type());
  host.shape = packed.sizes().vec();
  host.strides = contiguous_strides(host.shape);
  host.data = static_cast<const std::byte*>(packed.const_data_ptr());
  host.owner = std::make_shared<const at::Tensor>(packed);
  return host;
}

}  // namespace anemll
