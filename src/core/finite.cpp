#include "src/core/finite.hpp"

#include "anemll/core/error.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace anemll {
namespace {

/// A value is not finite when all bits of its exponent are set. Without a branch in it the loop is
/// vectorised; the look between blocks ends the pass early.
template <typename Bits>
bool all_below(const std::byte* data, std::size_t count, Bits exponent) {
  constexpr std::size_t kBlock = 1 << 14;
  for (std::size_t first = 0; first < count; first += kBlock) {
    const std::size_t end = count - first < kBlock ? count : first + kBlock;
    Bits bad = 0;
    for (std::size_t i = first; i < end; ++i) {
      Bits value;
      std::memcpy(&value, data + i * sizeof(Bits), sizeof(Bits));  // views of a file may be unaligned
      bad = static_cast<Bits>(bad | static_cast<Bits>((value & exponent) == exponent));
    }
    if (bad != 0) return false;
  }
  return true;
}

/// Files that a model is made of rarely hold this type.
bool all_floats(const std::byte* data, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    double value = 0;
    std::memcpy(&value, data + i * sizeof value, sizeof value);
    if (!std::isfinite(static_cast<float>(value))) return false;
  }
  return true;
}

}  // namespace

bool all_finite(const HostTensor& tensor) {
  const HostTensor packed = tensor.packed();
  const auto count = static_cast<std::size_t>(packed.numel());
  switch (packed.dtype) {
    case DType::f32:
      return all_below<std::uint32_t>(packed.data, count, 0x7f800000u);
    case DType::f16:
      return all_below<std::uint16_t>(packed.data, count, 0x7c00u);
    case DType::bf16:
      return all_below<std::uint16_t>(packed.data, count, 0x7f80u);
    case DType::f64:
      return all_floats(packed.data, count);
    default:
      return true;
  }
}

void require_finite(const HostTensor& tensor, const std::string& name, const std::string& where,
                    const std::string& hint) {
  if (!all_finite(tensor))
    throw_data(name + " holds values that are not numbers (NaN or infinite)", where, hint);
}

}  // namespace anemll
