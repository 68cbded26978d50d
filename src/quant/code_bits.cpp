#include "src/quant/internal/code_bits.hpp"

#include <ATen/ops/empty.h>

namespace anemll {
namespace {

void pack_row(const std::uint8_t* codes, std::int64_t columns, std::int64_t bits, std::uint8_t* to) {
  std::uint32_t held = 0;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < columns; ++i) {
    held |= static_cast<std::uint32_t>(codes[i]) << count;
    for (count += bits; count >= 8; count -= 8) {
      *to++ = static_cast<std::uint8_t>(held);
      held >>= 8;
    }
  }
  if (count > 0) *to = static_cast<std::uint8_t>(held);
}

void unpack_row(const std::uint8_t* from, std::int64_t columns, std::int64_t bits, std::uint8_t* codes) {
  const std::uint32_t mask = (1U << bits) - 1;
  std::uint32_t held = 0;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < columns; ++i) {
    if (count < bits) {
      held |= static_cast<std::uint32_t>(*from++) << count;
      count += 8;
    }
    codes[i] = static_cast<std::uint8_t>(held & mask);
    held >>= bits;
    count -= bits;
  }
}

}  // namespace

std::int64_t packed_row_bytes(std::int64_t columns, std::int64_t bits) {
  return (columns * bits + 7) / 8;
}

at::Tensor pack_codes(const at::Tensor& codes, std::int64_t bits) {
  const at::Tensor from = codes.contiguous();
  const std::int64_t rows = from.size(0), columns = from.size(1), bytes = packed_row_bytes(columns, bits);
  at::Tensor packed = at::empty({rows, bytes}, at::kByte);
  for (std::int64_t row = 0; row < rows; ++row)
    pack_row(from.const_data_ptr<std::uint8_t>() + row * columns, columns, bits,
             packed.mutable_data_ptr<std::uint8_t>() + row * bytes);
  return packed;
}

at::Tensor unpack_codes(const at::Tensor& packed, std::int64_t bits, std::int64_t columns) {
  const at::Tensor from = packed.contiguous();
  const std::int64_t rows = from.size(0), bytes = from.size(1);
  at::Tensor codes = at::empty({rows, columns}, at::kByte);
  for (std::int64_t row = 0; row < rows; ++row)
    unpack_row(from.const_data_ptr<std::uint8_t>() + row * bytes, columns, bits,
               codes.mutable_data_ptr<std::uint8_t>() + row * columns);
  return codes;
}

}  // namespace anemll
