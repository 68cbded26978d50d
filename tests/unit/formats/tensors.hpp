// Helpers of the format tests: elements as doubles, recognisable content, whole files as bytes.
#pragma once

#include "anemll/core/error.hpp"
#include "anemll/core/tensor.hpp"
#include "tests/support/refusals.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace anemll::test {

inline constexpr DType kAllDTypes[] = {DType::f64, DType::f32, DType::f16,    DType::bf16, DType::i64,
                                       DType::i32, DType::i16, DType::i8,     DType::u8,   DType::u16,
                                       DType::u32, DType::u64, DType::boolean};

inline float half_to_float(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  // Finite values only: 2^(e-15) * 1.f, or 2^-14 * 0.f for subnormals.
  const double magnitude =
      exponent == 0 ? fraction * 0x1p-24 : (1024 + fraction) * 0x1p-25 * static_cast<double>(1u << exponent);
  return static_cast<float>((bits & 0x8000) != 0 ? -magnitude : magnitude);
}

template <typename T>
double load_as(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return static_cast<double>(value);
}

inline double load_element(DType dtype, const std::byte* at) {
  switch (dtype) {
    case DType::f64:
      return load_as<double>(at);
    case DType::f32:
      return load_as<float>(at);
    case DType::i64:
      return load_as<std::int64_t>(at);
    case DType::i32:
      return load_as<std::int32_t>(at);
    case DType::i16:
      return load_as<std::int16_t>(at);
    case DType::i8:
      return load_as<std::int8_t>(at);
    case DType::u8:
    case DType::boolean:
      return load_as<std::uint8_t>(at);
    case DType::u16:
      return load_as<std::uint16_t>(at);
    case DType::u32:
      return load_as<std::uint32_t>(at);
    case DType::u64:
      return load_as<std::uint64_t>(at);
    case DType::f16:
      return static_cast<double>(half_to_float(static_cast<std::uint16_t>(load_as<std::uint16_t>(at))));
    case DType::bf16:
      return static_cast<double>(
          std::bit_cast<float>(static_cast<std::uint32_t>(load_as<std::uint16_t>(at)) << 16));
  }
  return 0;
}

/// All elements in row-major order.
inline std::vector<double> elements(const HostTensor& tensor) {
  const HostTensor packed = tensor.packed();
  std::vector<double> values;
  for (std::int64_t i = 0; i < packed.numel(); ++i) {
    values.push_back(
        load_element(packed.dtype, packed.data + static_cast<std::size_t>(i) * size_of(packed.dtype)));
  }
  return values;
}

/// A tensor whose bytes depend on `seed` and position (0 or 1 for bool).
inline HostTensor patterned(DType dtype, std::vector<std::int64_t> shape, unsigned seed) {
  HostTensor tensor = HostTensor::zeros(dtype, std::move(shape));
  for (std::size_t i = 0; i < tensor.bytes(); ++i) {
    const auto byte = static_cast<unsigned char>((i * 37 + std::size_t{seed} * 101 + 13) & 0xff);
    tensor.mutable_bytes()[i] =
        std::byte{dtype == DType::boolean ? static_cast<unsigned char>(byte & 1) : byte};
  }
  return tensor;
}

inline bool same_bits(const HostTensor& a, const HostTensor& b) {
  if (a.dtype != b.dtype || a.shape != b.shape) return false;
  const HostTensor packed_a = a.packed();
  const HostTensor packed_b = b.packed();
  return packed_a.bytes() == 0 || std::memcmp(packed_a.data, packed_b.data, packed_a.bytes()) == 0;
}

inline std::string load_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void store_file(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// For BOOST_CHECK_EXCEPTION: a data error with a file and a way on, whose text contains `part`.
inline auto data_error_with(std::string part) {
  return [part = std::move(part)](const Error& error) {
    return error.code() == ExitCode::data && helps(error) &&
           std::string(error.what()).find(part) != std::string::npos;
  };
}

}  // namespace anemll::test
