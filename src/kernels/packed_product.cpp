// How a weight is packed, and how its products are split over threads; see packed_product.hpp.
#include "src/kernels/packed_product.hpp"

#include "src/kernels/internal/packed_product_cpu.hpp"
#include "src/kernels/internal/row_blocks.hpp"
#include "src/kernels/lut_weight_cpu.hpp"
#include "src/kernels/narrow_product.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

namespace anemll::kernels {
namespace {

using Index = std::int64_t;

constexpr Index kMostEntries = 16;
constexpr Index kTwoBitEntries = 4;
constexpr Index kGrainWork = 1 << 15;  // multiply-adds; below this a thread costs more than it saves

CodeLayout layout_of(const PackedWeight& weight) {
  return {weight.bits, weight.b.size(1)};
}

/// The codes are written as the kernels read them: without a sign.
const std::uint32_t* words_of(const PackedWeight& weight) {
  return static_cast<const std::uint32_t*>(weight.codes.const_data_ptr());
}

void few_tokens(const at::Tensor& x, const PackedWeight& weight, const at::Tensor& bias, at::Tensor& y) {
  const CodeLayout layout = layout_of(weight);
  const Index rank = weight.b.size(0);
  const Index inputs = x.size(0);
  const at::Tensor scaled = at::empty({inputs, rank, layout.padded()}, x.options());
  float* scaled_x = scaled.mutable_data_ptr<float>();
  for (Index i = 0; i < inputs; ++i)
    scale_input(weight.b.const_data_ptr<float>(), x.const_data_ptr<float>() + i * layout.width, rank, layout,
                scaled_x + i * rank * layout.padded());
  const Index outputs = weight.a.size(0);
  const PackedRows product{layout,
                           words_of(weight),
                           weight.table.const_data_ptr<float>(),
                           weight.a.const_data_ptr<float>(),
                           rank,
                           scaled_x,
                           inputs,
                           bias.defined() ? bias.const_data_ptr<float>() : nullptr,
                           y.mutable_data_ptr<float>(),
                           outputs};
  const Index tiles = (outputs + kPackedTile - 1) / kPackedTile;
  const Index work = std::max<Index>(layout.width * rank * kPackedTile * inputs, 1);
  parallel_for(tiles, std::max<Index>(kGrainWork / work, 1), [&](Index begin, Index end) {
    packed_rows(product, begin * kPackedTile, std::min(end * kPackedTile, outputs));
  });
}

void many_tokens(const at::Tensor& x, const PackedWeight& weight, const at::Tensor& bias, at::Tensor& y) {
  const CodeLayout layout = layout_of(weight);
  const std::uint32_t* words = words_of(weight);
  const LutView table{weight.table.const_data_ptr<float>(), Index{1} << weight.bits};
  mm_by_row_blocks(y, x, [&](Index row, Index rows, at::Tensor& out) {
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(rows * layout.width));
    for (Index i = 0; i < rows; ++i)
      unpack_codes(layout, words + (row + i) * layout.words(), codes.data() + i * layout.width);
    at::mm_out(out, weight.a.narrow(0, row, rows), weight.b);
    float* values = out.mutable_data_ptr<float>();
    lut_multiply(codes.data(), table, values, values, rows * layout.width);
  });
  if (bias.defined()) y.add_(bias);
}

}  // namespace

std::int64_t PackedWeight::bytes() const {
  return static_cast<std::int64_t>(codes.nbytes() + table.nbytes() + a.nbytes() + b.nbytes());
}

bool can_pack(std::int64_t table_size) {
  return table_size >= 2 && table_size <= kMostEntries;
}

PackedWeight pack_weight(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a,
                         const at::Tensor& b) {
  const at::NoGradGuard no_grad;
  PackedWeight weight;
  weight.bits = lut.numel() <= kTwoBitEntries ? 2 : 4;
  weight.a = a.contiguous();
  weight.b = b.contiguous();
  // The look-up of two bits has the next code's lowest bit beside it: the table follows itself.
  weight.table = at::zeros({weight.bits == 2 ? 2 * kTwoBitEntries : kMostEntries}, lut.options());
  weight.table.narrow(0, 0, lut.numel()).copy_(lut);
  if (weight.bits == 2) weight.table.narrow(0, kTwoBitEntries, lut.numel()).copy_(lut);
  const CodeLayout layout{weight.bits, indices.size(1)};
  weight.codes = at::empty({indices.size(0), layout.words()}, indices.options().dtype(at::kInt));
  const at::Tensor dense = indices.contiguous();
  const auto* from = dense.const_data_ptr<std::uint8_t>();
  auto* to = static_cast<std::uint32_t*>(weight.codes.mutable_data_ptr());
  parallel_for(dense.size(0), std::max<Index>(kGrainWork / std::max<Index>(layout.width, 1), 1),
               [&](Index begin, Index end) {
                 for (Index row = begin; row < end; ++row)
                   pack_codes(layout, from + row * layout.width, to + row * layout.words());
               });
  return weight;
}

at::Tensor packed_linear(const at::Tensor& x, const PackedWeight& weight, const at::Tensor& bias) {
  return product_of_tokens(
      x, weight.a.size(0), [&](const at::Tensor& rows, at::Tensor& y) { few_tokens(rows, weight, bias, y); },
      [&](const at::Tensor& rows, at::Tensor& y) { many_tokens(rows, weight, bias, y); });
}

}  // namespace anemll::kernels
