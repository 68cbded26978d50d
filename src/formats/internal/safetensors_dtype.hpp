// The dtype names of safetensors headers, and the rank by which writers order tensors.
#pragma once

#include "anemll/core/tensor.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace anemll::formats {

struct SafetensorsDType {
  std::string_view name;
  DType dtype;
};

/// In the order in which the usual writer lays tensors out: wide before narrow, so that each tensor is
/// aligned to its element size without padding.
inline constexpr std::array<SafetensorsDType, 13> kSafetensorsDTypes = {{{"U64", DType::u64},
                                                                         {"I64", DType::i64},
                                                                         {"F64", DType::f64},
                                                                         {"F32", DType::f32},
                                                                         {"U32", DType::u32},
                                                                         {"I32", DType::i32},
                                                                         {"BF16", DType::bf16},
                                                                         {"F16", DType::f16},
                                                                         {"U16", DType::u16},
                                                                         {"I16", DType::i16},
                                                                         {"I8", DType::i8},
                                                                         {"U8", DType::u8},
                                                                         {"BOOL", DType::boolean}}};

inline std::optional<DType> safetensors_dtype(std::string_view name) {
  for (const auto& entry : kSafetensorsDTypes) {
    if (entry.name == name) return entry.dtype;
  }
  return std::nullopt;
}

/// Position in the table above; every DType is in it.
inline std::size_t safetensors_rank(DType dtype) {
  std::size_t rank = 0;
  while (kSafetensorsDTypes[rank].dtype != dtype) ++rank;
  return rank;
}

}  // namespace anemll::formats
