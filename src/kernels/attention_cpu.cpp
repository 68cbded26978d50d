// Attention in fp32 arithmetic on fp32 or bf16 storage. Blocks of query rows see all their keys at once, so
// the softmax is the plain one; probabilities are not kept but made again in backward from the rows'
// log-sums. Matrix products run through one register-tiled kernel that skips what lies above the diagonal.
// For the short sequences of distillation this beats the general operator by far: its products are too small
// for a library.
#include "src/kernels/internal/attention_cpu.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>

namespace anemll::kernels {
namespace {

constexpr Index kLanes = 16;    // columns of a tile
constexpr Index kTileRows = 6;  // 6 x 16 accumulators fit the registers of AVX2 and AVX-512 alike
constexpr Index kBlock = 64;    // query rows at a time

ANEMLL_INLINE Index round_up(Index n) {
  return (n + kLanes - 1) / kLanes * kLanes;
}

/// A is read element by element, so a transposed one costs nothing.
struct Left {
  const float* data;
  Index row_stride, column_stride;
};

/// Vec: a vector that fits a register of the processor, see simd.hpp.
template <class Vec, Index Rows, bool Accumulate>
ANEMLL_INLINE void tile(const Left& a, Index row, const float* b, Index ldb, float* c, Index ldc,
                        Index column, Index depth_begin, Index depth_end) {
  constexpr Index kWidth = sizeof(Vec) / sizeof(float);
  constexpr Index kParts = kLanes / kWidth;
  Vec sums[static_cast<std::size_t>(Rows * kParts)] =
      {};  // vector by vector: copied in larger pieces it would stay in memory
  const auto at = [&](Index r, Index part) { return c + (row + r) * ldc + column + part * kWidth; };
  if constexpr (Accumulate) {
    for (Index r = 0; r < Rows; ++r)
      for (Index part = 0; part < kParts; ++part)
        std::memcpy(&sums[r * kParts + part], at(r, part), sizeof(Vec));
  }
  const float* left = a.data + row * a.row_stride;
  for (Index p = depth_begin; p < depth_end; ++p) {
    Vec right[static_cast<std::size_t>(kParts)];
    for (Index part = 0; part < kParts; ++part)
      std::memcpy(&right[part], b + p * ldb + column + part * kWidth, sizeof(Vec));
    for (Index r = 0; r < Rows; ++r) {
      const float factor = left[r * a.row_stride + p * a.column_stride];
      for (Index part = 0; part < kParts; ++part) sums[r * kParts + part] += factor * right[part];
    }
  }
  for (Index r = 0; r < Rows; ++r)
    for (Index part = 0; part < kParts; ++part)
      std::memcpy(at(r, part), &sums[r * kParts + part], sizeof(Vec));
}

/// c[rows, columns] (+)= a b; columns are padded to whole vectors. columns_of(last row) and
/// depth_of(first row, last row) -> {begin, end} say what a tile of rows needs.
template <class Vec, bool Accumulate, class Columns, class Depth>
ANEMLL_INLINE void product(const Left& a, const float* b, Index ldb, float* c, Index ldc, Index rows,
                           const Columns& columns_of, const Depth& depth_of) {
  Index row = 0;
  for (; row + kTileRows <= rows; row += kTileRows) {
    const Index columns = columns_of(row + kTileRows - 1);
    const auto [begin, end] = depth_of(row, row + kTileRows - 1);
    for (Index j = 0; j < columns; j += kLanes)
      tile<Vec, kTileRows, Accumulate>(a, row, b, ldb, c, ldc, j, begin, end);
  }
  for (; row < rows; ++row) {
    const Index columns = columns_of(row);
    const auto [begin, end] = depth_of(row, row);
    for (Index j = 0; j < columns; j += kLanes)
      tile<Vec, 1, Accumulate>(a, row, b, ldb, c, ldc, j, begin, end);
  }
}

struct Range {
  Index begin, end;
};

/// Rows of one head, [rows, dim] with a stride, to padded fp32 rows.
template <class T>
ANEMLL_INLINE void unpack(const T* from, Index stride, Index rows, Index dim, Index padded, float* to) {
  for (Index i = 0; i < rows; ++i) {
    const T* source = from + i * stride;
    float* target = to + i * padded;
#pragma omp simd
    for (Index d = 0; d < dim; ++d) target[d] = load(source[d]);
    for (Index d = dim; d < padded; ++d) target[d] = 0;
  }
}

template <class T>
ANEMLL_INLINE void pack(const float* from, Index padded, Index rows, Index dim, Index stride, T* to) {
  for (Index i = 0; i < rows; ++i) {
#pragma omp simd
    for (Index d = 0; d < dim; ++d) store(to[i * stride + d], from[i * padded + d]);
  }
}

/// [rows, padded] -> [dim, columns], columns beyond `rows` zero.
ANEMLL_INLINE void transpose(const float* from, Index padded, Index rows, Index dim, Index columns,
                             float* to) {
  for (Index d = 0; d < dim; ++d) {
    for (Index i = 0; i < rows; ++i) to[d * columns + i] = from[i * padded + d];
    for (Index i = rows; i < columns; ++i) to[d * columns + i] = 0;
  }
}

/// Where a unit's pieces lie in memory.
struct Unit {
  Index dim_padded, keys_padded, query_stride, kv_stride, kv_offset, batch, groups, first_head;
  Unit(const AttentionShape& s, Index unit)
      : dim_padded(round_up(s.dim)),
        keys_padded(round_up(s.keys)),
        query_stride(s.heads * s.dim),
        kv_stride(s.kv_heads * s.dim),
        kv_offset((unit / s.kv_heads) * s.keys * kv_stride + (unit % s.kv_heads) * s.dim),
        batch(unit / s.kv_heads),
        groups(s.heads / s.kv_heads),
        first_head((unit % s.kv_heads) * groups) {}
};

/// scores[i, j] = q_i . k_j for `rows` queries of one head from position `first` on, up to the diagonal.
template <class Vec>
ANEMLL_INLINE void score(const float* q, const float* keys_t, const Unit& u, Index dim, Index first,
                         Index rows, float* scores) {
  product<Vec, false>(
      {q, u.dim_padded, 1}, keys_t, u.keys_padded, scores, u.keys_padded, rows,
      [&](Index last) { return round_up(first + last + 1); },
      [&](Index, Index) {
        return Range{0, dim};
      });
}

template <class Vec, class T>
ANEMLL_INLINE void forward(const AttentionShape& s, const T* q, const T* k, const T* v,
                           const std::uint8_t* allowed, T* out, float* log_sums, float* scratch, Index unit) {
  const Unit u(s, unit);
  const float scale = 1.0F / std::sqrt(static_cast<float>(s.dim));
  float* keys_t = scratch;
  float* values = keys_t + s.dim * u.keys_padded;
  float* rows_q = values + s.keys * u.dim_padded;
  float* scores = rows_q + kBlock * u.dim_padded;
  float* mixed = scores + kBlock * u.keys_padded;

  unpack(k + u.kv_offset, u.kv_stride, s.keys, s.dim, u.dim_padded, values);
  transpose(values, u.dim_padded, s.keys, s.dim, u.keys_padded, keys_t);
  unpack(v + u.kv_offset, u.kv_stride, s.keys, s.dim, u.dim_padded, values);
  for (Index head = u.first_head; head < u.first_head + u.groups; ++head) {
    for (Index row = 0; row < s.queries; row += kBlock) {
      const Index rows = std::min(kBlock, s.queries - row);
      const Index first = s.earlier() + row;  // position of the block's first query
      const Index offset = (u.batch * s.queries + row) * u.query_stride + head * s.dim;
      unpack(q + offset, u.query_stride, rows, s.dim, u.dim_padded, rows_q);
      score<Vec>(rows_q, keys_t, u, s.dim, first, rows, scores);
      for (Index i = 0; i < rows; ++i) {
        float* p = scores + i * u.keys_padded;
        const Index keys = first + i + 1;
        if (allowed != nullptr) {
          const std::uint8_t* visible = allowed + (u.batch * s.queries + row + i) * s.keys;
          for (Index j = 0; j < keys; ++j)
            p[j] = visible[j] != 0 ? p[j] : -std::numeric_limits<float>::infinity();
        }
        float top = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : top)
        for (Index j = 0; j < keys; ++j) top = p[j] > top ? p[j] : top;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (Index j = 0; j < keys; ++j) {
          const float e = exp_fast((p[j] - top) * scale);
          p[j] = e;
          sum += e;
        }
        log_sums[(u.batch * s.heads + head) * s.queries + row + i] = top * scale + std::log(sum);
        const float inverse = 1.0F / sum;
#pragma omp simd
        for (Index j = 0; j < keys; ++j) p[j] *= inverse;
        // The tile that crosses the diagonal reads up to its last row's key.
        for (Index j = keys; j < std::min(keys + kTileRows, u.keys_padded); ++j) p[j] = 0;
      }
      product<Vec, false>(
          {scores, u.keys_padded, 1}, values, u.dim_padded, mixed, u.dim_padded, rows,
          [&](Index) { return u.dim_padded; },
          [&](Index, Index last) {
            return Range{0, first + last + 1};
          });
      pack(mixed, u.dim_padded, rows, s.dim, u.query_stride, out + offset);
    }
  }
}

template <class Vec, class T>
ANEMLL_INLINE void backward(const AttentionShape& s, const T* q, const T* k, const T* v,
                            const std::uint8_t* allowed, const T* out, const float* log_sums,
                            const T* grad_out, T* grad_q, T* grad_k, T* grad_v, float* scratch, Index unit) {
  const Unit u(s, unit);
  const float scale = 1.0F / std::sqrt(static_cast<float>(s.dim));
  float* keys_t = scratch;
  float* values_t = keys_t + s.dim * u.keys_padded;
  float* keys = values_t + s.dim * u.keys_padded;
  float* sum_k = keys + s.keys * u.dim_padded;
  float* sum_v = sum_k + s.keys * u.dim_padded;
  float* rows_q = sum_v + s.keys * u.dim_padded;
  float* rows_g = rows_q + kBlock * u.dim_padded;
  float* rows_o = rows_g + kBlock * u.dim_padded;
  float* p = rows_o + kBlock * u.dim_padded;
  float* grad_p = p + kBlock * u.keys_padded;

  unpack(v + u.kv_offset, u.kv_stride, s.keys, s.dim, u.dim_padded, keys);
  transpose(keys, u.dim_padded, s.keys, s.dim, u.keys_padded, values_t);
  unpack(k + u.kv_offset, u.kv_stride, s.keys, s.dim, u.dim_padded, keys);
  transpose(keys, u.dim_padded, s.keys, s.dim, u.keys_padded, keys_t);
  std::fill(sum_k, sum_v + s.keys * u.dim_padded, 0.0F);
  for (Index head = u.first_head; head < u.first_head + u.groups; ++head) {
    for (Index row = 0; row < s.queries; row += kBlock) {
      const Index rows = std::min(kBlock, s.queries - row);
      const Index first = s.earlier() + row;  // position of the block's first query
      const Index offset = (u.batch * s.queries + row) * u.query_stride + head * s.dim;
      unpack(q + offset, u.query_stride, rows, s.dim, u.dim_padded, rows_q);
      unpack(grad_out + offset, u.query_stride, rows, s.dim, u.dim_padded, rows_g);
      unpack(out + offset, u.query_stride, rows, s.dim, u.dim_padded, rows_o);
      score<Vec>(rows_q, keys_t, u, s.dim, first, rows, p);
      score<Vec>(rows_g, values_t, u, s.dim, first, rows, grad_p);
      const Index width = round_up(first + rows);
      for (Index i = 0; i < rows; ++i) {
        float* probability = p + i * u.keys_padded;
        float* g = grad_p + i * u.keys_padded;
        const Index last = first + i + 1;
        const float log_sum = log_sums[(u.batch * s.heads + head) * s.queries + row + i];
        float delta = 0;
#pragma omp simd reduction(+ : delta)
        for (Index d = 0; d < s.dim; ++d)
          delta += rows_g[i * u.dim_padded + d] * rows_o[i * u.dim_padded + d];
#pragma omp simd
        for (Index j = 0; j < last; ++j) probability[j] = exp_fast(probability[j] * scale - log_sum);
        if (allowed != nullptr) {
          const std::uint8_t* visible = allowed + (u.batch * s.queries + row + i) * s.keys;
          for (Index j = 0; j < last; ++j) probability[j] = visible[j] != 0 ? probability[j] : 0.0F;
        }
#pragma omp simd
        for (Index j = 0; j < last; ++j) g[j] = probability[j] * (g[j] - delta) * scale;
        for (Index j = last; j < width; ++j) probability[j] = g[j] = 0;
      }
      const auto whole = [&](Index) { return u.dim_padded; };
      const auto below = [&](Index top, Index) { return Range{std::max<Index>(top - first, 0), rows}; };
      product<Vec, true>({p, 1, u.keys_padded}, rows_g, u.dim_padded, sum_v, u.dim_padded, first + rows,
                         whole, below);
      product<Vec, true>({grad_p, 1, u.keys_padded}, rows_q, u.dim_padded, sum_k, u.dim_padded, first + rows,
                         whole, below);
      product<Vec, false>({grad_p, u.keys_padded, 1}, keys, u.dim_padded, rows_o, u.dim_padded, rows, whole,
                          [&](Index, Index last) {
                            return Range{0, first + last + 1};
                          });
      pack(rows_o, u.dim_padded, rows, s.dim, u.query_stride, grad_q + offset);
    }
  }
  pack(sum_k, u.dim_padded, s.keys, s.dim, u.kv_stride, grad_k + u.kv_offset);
  pack(sum_v, u.dim_padded, s.keys, s.dim, u.kv_stride, grad_v + u.kv_offset);
}

template <class T>
ANEMLL_SIMD_WIDE void forward_wide(const AttentionShape& shape, const AttentionData<T>& t, float* scratch,
                                   Index unit) {
  forward<Floats16>(shape, t.q, t.k, t.v, t.allowed, t.out, t.log_sums, scratch, unit);
}
template <class T>
ANEMLL_SIMD_NARROW void forward_narrow(const AttentionShape& shape, const AttentionData<T>& t, float* scratch,
                                       Index unit) {
  forward<Floats8>(shape, t.q, t.k, t.v, t.allowed, t.out, t.log_sums, scratch, unit);
}

template <class T>
ANEMLL_SIMD_WIDE void backward_wide(const AttentionShape& shape, const AttentionData<T>& t,
                                    const AttentionGrads<T>& g, float* scratch, Index unit) {
  backward<Floats16>(shape, t.q, t.k, t.v, t.allowed, t.out, t.log_sums, g.out, g.q, g.k, g.v, scratch, unit);
}
template <class T>
ANEMLL_SIMD_NARROW void backward_narrow(const AttentionShape& shape, const AttentionData<T>& t,
                                        const AttentionGrads<T>& g, float* scratch, Index unit) {
  backward<Floats8>(shape, t.q, t.k, t.v, t.allowed, t.out, t.log_sums, g.out, g.q, g.k, g.v, scratch, unit);
}

}  // namespace

Index attention_scratch(const AttentionShape& s) {
  const Index dim = round_up(s.dim);
  const Index keys = round_up(s.keys);
  return 2 * s.dim * keys + 3 * s.keys * dim + 3 * kBlock * dim + 2 * kBlock * keys;
}

template <class T>
void attention_unit(const AttentionShape& shape, const AttentionData<T>& tensors, float* scratch,
                    Index unit) {
  (wide_vectors() ? forward_wide<T> : forward_narrow<T>)(shape, tensors, scratch, unit);
}
template void attention_unit(const AttentionShape&, const AttentionData<float>&, float*, Index);
template void attention_unit(const AttentionShape&, const AttentionData<Bf16>&, float*, Index);

template <class T>
void attention_unit_backward(const AttentionShape& shape, const AttentionData<T>& tensors,
                             const AttentionGrads<T>& grads, float* scratch, Index unit) {
  (wide_vectors() ? backward_wide<T> : backward_narrow<T>)(shape, tensors, grads, scratch, unit);
}
template void attention_unit_backward(const AttentionShape&, const AttentionData<float>&,
                                      const AttentionGrads<float>&, float*, Index);
template void attention_unit_backward(const AttentionShape&, const AttentionData<Bf16>&,
                                      const AttentionGrads<Bf16>&, float*, Index);

}  // namespace anemll::kernels
