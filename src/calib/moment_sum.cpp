#include "src/calib/moment_sum.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

namespace anemll {
namespace {

using Index = std::int64_t;

// Leaves of the tree. A rank holds at most one sum more than its depth.
constexpr Index kUnits = 16;

Index unit_of(Index sequences) {
  return std::max<Index>((sequences + kUnits - 1) / kUnits, 1);
}

std::span<std::byte> bytes_of(at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

/// What travels of Moments beside its tensors.
struct Scalars {
  std::int64_t level, index, tokens;
  double weight, plain_trace, plain_largest, largest;
};

void broadcast(Communicator& comm, int root, Moments& sum) {
  comm.broadcast(bytes_of(sum.diagonal), root);
  if (sum.full.defined()) comm.broadcast(bytes_of(sum.full), root);
  if (sum.cross.defined()) comm.broadcast(bytes_of(sum.cross), root);
}

template <class T>
void append(std::string& to, const T* values, std::size_t count) {
  to.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

template <class T>
void take(std::string_view& from, T* values, std::size_t count) {
  assert(from.size() >= count * sizeof(T));
  std::memcpy(values, from.data(), count * sizeof(T));
  from.remove_prefix(count * sizeof(T));
}

at::Tensor take_row(std::string_view& from, Index n) {
  at::Tensor row = at::empty({n}, at::kFloat);
  take(from, row.data_ptr<float>(), static_cast<std::size_t>(n));
  return row;
}

}  // namespace

SequenceShare share_of(Index sequences, int rank, int ranks) {
  const Index unit = unit_of(sequences);
  const Index units = (sequences + unit - 1) / unit;
  const auto begin = [&](Index r) { return std::min(units * r / ranks * unit, sequences); };
  return {begin(rank), begin(Index{rank} + 1)};
}

MomentSum::MomentSum(Index columns, MomentParts parts, Index sequences, double cap)
    : columns_(columns), parts_(parts), unit_(unit_of(sequences)), cap_(cap) {}

void MomentSum::add(Index sequence, const at::Tensor& x, const at::Tensor& weights, const at::Tensor& other) {
  const at::NoGradGuard no_grad;
  const Index unit = sequence / unit_;
  assert(unit >= open_);
  if (unit != open_) {
    close_unit();
    open_ = unit;
    current_ = Moments(columns_, parts_);
  }
  const at::Tensor traces = token_traces(x, weights);
  const std::span<const double> trace(traces.const_data_ptr<double>(), static_cast<std::size_t>(x.size(0)));
  // More sequences only raise the level, so what this one alone does not cut, all together do not.
  const double level = cap_level(trace, 0, cap_);
  if (std::none_of(trace.begin(), trace.end(), [&](double t) { return t > 0 && t >= level; })) {
    current_.add(x, weights, other);
    return;
  }
  at::Tensor kept = weights.defined() ? weights.clone() : at::ones({x.size(0)}, at::kFloat);
  auto* weight = kept.data_ptr<float>();
  for (std::size_t t = 0; t < trace.size(); ++t) {
    if (trace[t] <= 0 || trace[t] < level) continue;
    const auto at_token = static_cast<Index>(t);
    asides_.push_back({sequence, at_token, trace[t], weight[t], x[at_token].clone(),
                       other.defined() ? other[at_token].clone() : at::Tensor()});
    weight[t] = 0;
  }
  current_.add(x, kept, other);
}

void MomentSum::close_unit() {
  if (open_ >= 0) push({0, open_, std::move(current_)});
  open_ = -1;
}

void MomentSum::push(Branch branch) {
  while (!branches_.empty() && branches_.back().level == branch.level && branch.index % 2 == 1 &&
         branches_.back().index + 1 == branch.index) {
    Branch left = std::move(branches_.back());
    branches_.pop_back();
    left.sum.combine(branch.sum);
    branch = {left.level + 1, left.index / 2, std::move(left.sum)};
  }
  branches_.push_back(std::move(branch));
}

void MomentSum::exchange(Communicator& comm) {
  std::vector<Branch> own = std::move(branches_);
  branches_.clear();
  std::string mine;
  for (const Branch& b : own) {
    const Scalars scalars{
        b.level, b.index, b.sum.tokens, b.sum.weight, b.sum.plain_trace, b.sum.plain_largest, b.sum.largest};
    append(mine, &scalars, 1);
  }
  const std::vector<std::string> all = gather_strings(comm, mine);
  for (int rank = 0; rank < comm.size(); ++rank) {
    std::string_view left = all[static_cast<std::size_t>(rank)];
    for (std::size_t i = 0; !left.empty(); ++i) {
      Scalars scalars{};
      take(left, &scalars, 1);
      Moments sum = rank == comm.rank() ? std::move(own[i].sum) : Moments(columns_, parts_);
      sum.tokens = scalars.tokens;
      sum.weight = scalars.weight;
      sum.plain_trace = scalars.plain_trace;
      sum.plain_largest = scalars.plain_largest;
      sum.largest = scalars.largest;
      broadcast(comm, rank, sum);
      push({scalars.level, scalars.index, std::move(sum)});
    }
  }
}

std::vector<MomentSum::Aside> MomentSum::all_asides(Communicator& comm) const {
  std::string mine;
  for (const Aside& a : asides_) {
    append(mine, &a.sequence, 1);
    append(mine, &a.token, 1);
    append(mine, &a.trace, 1);
    append(mine, &a.weight, 1);
    const auto n = static_cast<std::size_t>(columns_);
    append(mine, a.x.const_data_ptr<float>(), n);
    if (parts_.cross > 0)
      append(mine, a.other.const_data_ptr<float>(), static_cast<std::size_t>(parts_.cross));
  }
  std::vector<Aside> all;
  for (const std::string& text : gather_strings(comm, mine)) {
    std::string_view left = text;
    while (!left.empty()) {
      Aside a;
      take(left, &a.sequence, 1);
      take(left, &a.token, 1);
      take(left, &a.trace, 1);
      take(left, &a.weight, 1);
      a.x = take_row(left, columns_);
      if (parts_.cross > 0) a.other = take_row(left, parts_.cross);
      all.push_back(std::move(a));
    }
  }
  return all;
}

MomentSum::Result MomentSum::finish(Communicator& comm) {
  const at::NoGradGuard no_grad;
  close_unit();
  exchange(comm);
  Result result;
  result.moments = Moments(columns_, parts_);
  // What is left of the tree, the last branches first: those are the smallest.
  if (!branches_.empty()) {
    while (branches_.size() > 1) {
      const Moments last = std::move(branches_.back().sum);
      branches_.pop_back();
      branches_.back().sum.combine(last);
    }
    result.moments = std::move(branches_.front().sum);
    branches_.clear();
  }
  const std::vector<Aside> asides = all_asides(comm);
  double trace = result.moments.trace();
  double largest = result.moments.largest;
  std::vector<double> candidates;
  for (const Aside& a : asides) {
    candidates.push_back(a.trace);
    largest = std::max(largest, a.trace);
  }
  const double level = cap_level(candidates, trace, cap_);
  trace += std::accumulate(candidates.begin(), candidates.end(), 0.0);
  result.uncapped_share = trace > 0 ? largest / trace : 0;
  if (asides.empty()) return result;

  std::vector<at::Tensor> rows, others;
  std::vector<float> weights;
  for (const Aside& a : asides) {
    rows.push_back(a.x);
    if (parts_.cross > 0) others.push_back(a.other);
    const bool above = a.trace > level;
    if (above) ++result.capped;
    weights.push_back(above ? static_cast<float>(static_cast<double>(a.weight) * (level / a.trace))
                            : a.weight);
  }
  result.moments.add(at::stack(rows), at::tensor(weights, at::kFloat),
                     parts_.cross > 0 ? at::stack(others) : at::Tensor());
  return result;
}

}  // namespace anemll
