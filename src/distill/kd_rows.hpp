// What the objectives share on the CPU: inputs as plain rows, one slot of results per token, the merging of
// candidates' gradients, and the [chunk, vocab] product with the head. Results go to slots and are summed in
// token order, so nothing outside the GEMMs depends on the number of threads.
#pragma once

#include "src/distill/kd_loss.hpp"
#include "src/kernels/parallel.hpp"
#include "src/kernels/simd.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll::kd {

/// Raw views of everything the rows need, over tensors that it keeps.
struct CpuInputs {
  at::Tensor hidden, head, idx, logits, negatives, weight, lse, teacher_hidden;
  std::size_t tokens, width, vocab, cached, sampled;

  CpuInputs(const at::Tensor& hidden_in, const at::Tensor& head_in, const KdTargets& targets,
            const KdLossOptions& options);

  float weight_of(std::size_t row) const { return weight.const_data_ptr<float>()[row]; }
  float teacher_lse(std::size_t row) const { return lse.const_data_ptr<float>()[row]; }
  std::span<const float> teacher(std::size_t row) const {
    return {logits.const_data_ptr<float>() + row * cached, cached};
  }
  std::span<const float> hidden_row(std::size_t row) const {
    return {hidden.const_data_ptr<float>() + row * width, width};
  }
  template <class T>
  std::span<const T> head_row(std::size_t id) const {
    return {static_cast<const T*>(head.const_data_ptr()) + id * width, width};
  }
  /// The cached ids of a row, then its negatives.
  void candidates(std::size_t row, std::span<std::size_t> ids) const;
  /// Throws a data error for an id outside the vocabulary in a row that counts.
  void check_ids() const;
};

/// One slot per token: threads write, the sums are taken in order afterwards.
struct TokenValues {
  std::vector<double> kl, ce, sampled_ce;
  explicit TokenValues(std::size_t tokens) : kl(tokens), ce(tokens), sampled_ce(tokens) {}
  KdLossSums sum(const CpuInputs& in, const KdLossOptions& options) const;
};

/// What one thread reuses from row to row.
struct Scratch {
  std::vector<std::size_t> ids;
  std::vector<float> student;                              ///< logits of `ids`
  std::vector<double> slope;                               ///< d(terms)/d(student)
  std::vector<std::pair<std::size_t, std::size_t>> order;  ///< candidates as (id, position), sorted
  std::vector<std::pair<std::size_t, float>> entries;      ///< merged gradient of the candidates' logits

  Scratch(const CpuInputs& in, bool with_gradient)
      : ids(in.cached + in.sampled), student(ids.size()), slope(with_gradient ? ids.size() : 0) {}

  /// Fills `entries`. An id may occur twice (a negative that is also cached): its terms are added in double,
  /// in the order of the candidates, to base(id, its first position), and rounded once.
  template <class Base>
  void merge(double weight, const Base& base) {
    order.clear();
    entries.clear();
    for (std::size_t c = 0; c < ids.size(); ++c) order.emplace_back(ids[c], c);
    std::sort(order.begin(), order.end());
    for (std::size_t i = 0; i < order.size();) {
      const std::size_t id = order[i].first;
      double sum = base(id, order[i].second);
      for (; i < order.size() && order[i].first == id; ++i) sum += slope[order[i].second];
      entries.emplace_back(id, static_cast<float>(weight * sum));
    }
  }
};

/// body(row, scratch) for rows [0, count) on all threads.
template <class Body>
void for_rows(std::size_t count, const CpuInputs& in, bool with_gradient, const Body& body) {
  kernels::parallel_for(static_cast<std::int64_t>(count), 1, [&](std::int64_t begin, std::int64_t end) {
    Scratch scratch(in, with_gradient);
    for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end); ++row)
      body(row, scratch);
  });
}

/// [chunk, vocab] in the head's dtype, used again for every chunk: rows times head, then what the rows' loops
/// make of it times head again.
class HeadProduct {
 public:
  HeadProduct(const CpuInputs& in, std::int64_t chunk, bool with_gradient);
  /// rows [C, H] fp32 -> [C, V]; valid until the next call.
  at::Tensor logits(const at::Tensor& rows);
  /// out [C, H] fp32 = slopes [C, V] * head.
  void backward(const at::Tensor& slopes, at::Tensor out);

 private:
  at::Tensor head_;
  at::Tensor buffer_;
  at::Tensor product_;
};

template <class T>
std::span<T> row_of(const at::Tensor& matrix, std::size_t row) {
  const auto width = static_cast<std::size_t>(matrix.size(1));
  return {static_cast<T*>(matrix.mutable_data_ptr()) + row * width, width};
}

/// chunk_body(first token, count, logits [count, V]) makes slopes of the logits in place.
template <class ChunkBody>
void for_chunks(const CpuInputs& in, const KdLossOptions& options, const ChunkBody& chunk_body) {
  const auto tokens = static_cast<std::int64_t>(in.tokens);
  const std::int64_t chunk = std::min(options.chunk_tokens, tokens);
  for (std::int64_t begin = 0; begin < tokens; begin += chunk)
    chunk_body(begin, std::min(chunk, tokens - begin));
}

/// The loop of objectives that look at every logit of the student: row_body(logits [V], row, values, scratch)
/// makes the row's terms of the logits and, in place, their gradient.
template <class T, class RowBody>
KdLossSums over_all_logits(const CpuInputs& in, const KdLossOptions& options, const at::Tensor& gradient,
                           const RowBody& row_body) {
  TokenValues values(in.tokens);
  HeadProduct product(in, std::min(options.chunk_tokens, in.hidden.size(0)), gradient.defined());
  for_chunks(in, options, [&](std::int64_t begin, std::int64_t count) {
    const at::Tensor logits = product.logits(in.hidden.narrow(0, begin, count));
    for_rows(static_cast<std::size_t>(count), in, gradient.defined(), [&](std::size_t r, Scratch& scratch) {
      row_body(row_of<T>(logits, r), static_cast<std::size_t>(begin) + r, values, scratch);
    });
    if (gradient.defined()) product.backward(logits, gradient.narrow(0, begin, count));
  });
  return values.sum(in, options);
}

}  // namespace anemll::kd
