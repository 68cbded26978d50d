// PyTorch's two spellings of element types in pickles: storage classes ("FloatStorage") for the old types
// and plain dtypes ("uint16") for the younger ones.
#pragma once

#include "anemll/core/tensor.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace anemll::formats {

struct TorchStorageClass {
  std::string_view name;
  DType dtype;
};

inline constexpr std::array<TorchStorageClass, 10> kTorchStorageClasses = {{{"DoubleStorage", DType::f64},
                                                                            {"FloatStorage", DType::f32},
                                                                            {"HalfStorage", DType::f16},
                                                                            {"BFloat16Storage", DType::bf16},
                                                                            {"LongStorage", DType::i64},
                                                                            {"IntStorage", DType::i32},
                                                                            {"ShortStorage", DType::i16},
                                                                            {"CharStorage", DType::i8},
                                                                            {"ByteStorage", DType::u8},
                                                                            {"BoolStorage", DType::boolean}}};

inline std::optional<DType> torch_storage_dtype(std::string_view class_name) {
  for (const auto& entry : kTorchStorageClasses) {
    if (entry.name == class_name) return entry.dtype;
  }
  return std::nullopt;
}

/// Empty for the unsigned types wider than a byte, which have no storage class.
inline std::string_view torch_storage_class(DType dtype) {
  for (const auto& entry : kTorchStorageClasses) {
    if (entry.dtype == dtype) return entry.name;
  }
  return {};
}

inline std::optional<DType> torch_dtype(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i) {
    const auto dtype = static_cast<DType>(i);
    if (name_of(dtype) == name) return dtype;
  }
  return std::nullopt;
}

}  // namespace anemll::formats
