// Codes of 1 to 8 bits side by side. Each row begins with a byte of its own, and in a byte the lowest bits
// come first. Stateless; any thread.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Bytes of a row of `columns` codes.
std::int64_t packed_row_bytes(std::int64_t columns, std::int64_t bits);
/// codes uint8 [rows, columns] on the CPU, each below 2^bits; uint8 [rows, packed_row_bytes].
at::Tensor pack_codes(const at::Tensor& codes, std::int64_t bits);
/// And back.
at::Tensor unpack_codes(const at::Tensor& packed, std::int64_t bits, std::int64_t columns);

}  // namespace anemll
