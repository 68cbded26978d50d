#include "src/score/divergence.hpp"

#include "anemll/core/error.hpp"
#include "src/kernels/dispatch.hpp"
#include "src/kernels/divergence_cpu.hpp"
#include "src/kernels/head_loss_cpu.hpp"
#include "src/kernels/parallel.hpp"
#include "src/kernels/product.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace anemll {
namespace {

/// Rows of the two [chunk, vocab] fp32 buffers.
constexpr std::int64_t kChunk = 128;
/// The student's likeliest tokens among which the teacher's choice is looked for.
constexpr std::int64_t kFirst = 5;

void require(bool condition, const std::string& what) {
  if (!condition) throw_usage(what, "divergence of two models", "");
}

std::size_t first_of(std::span<const float> row, float value) {
  return static_cast<std::size_t>(std::find(row.begin(), row.end(), value) - row.begin());
}

/// How many ids are likelier than `choice`: of equal logits the lower id is.
std::int64_t likelier(std::span<const float> row, std::size_t choice) {
  if (choice >= row.size()) return static_cast<std::int64_t>(row.size());  // a row of NaN has no choice
  const float logit = row[choice];
  const auto middle = row.begin() + static_cast<std::ptrdiff_t>(choice);
  return std::count_if(row.begin(), middle, [logit](float other) { return other >= logit; }) +
         std::count_if(middle, row.end(), [logit](float other) { return other > logit; });
}

/// `student` is overwritten.
PositionScore score_row(std::span<const float> teacher, std::span<float> student, const std::int64_t* next) {
  PositionScore score;
  score.counted = 1;
  const float student_max = kernels::row_max(std::span<const float>(student));
  const std::size_t student_choice = first_of(student, student_max);
  const std::size_t teacher_choice = first_of(teacher, kernels::row_max(teacher));
  const std::int64_t ahead = likelier(student, teacher_choice);
  const float student_logit = next != nullptr ? student[static_cast<std::size_t>(*next)] : 0.0F;
  kernels::subtract_in_place(student, teacher);
  const kernels::PairStats stats =
      kernels::pair_stats(teacher, std::span<const float>(student), 1.0F, /*plain=*/false);
  score.kl = stats.divergence();
  const bool finite = std::isfinite(score.kl);
  score.same_top1 = finite && teacher_choice == student_choice ? 1 : 0;
  score.same_top5 = finite && ahead < kFirst ? 1 : 0;
  if (next == nullptr) return score;
  const auto nll = [](float max, double sum, float logit) {
    return double{max} + std::log(sum) - double{logit};
  };
  score.teacher_nll = nll(stats.teacher_max, stats.teacher_sum, teacher[static_cast<std::size_t>(*next)]);
  score.student_nll = nll(student_max, stats.student_sum, student_logit);
  return score;
}

void score_on_cpu(const at::Tensor& teacher, const at::Tensor& student, const at::Tensor& next,
                  std::span<PositionScore> out) {
  const auto vocab = static_cast<std::size_t>(teacher.size(1));
  const float* t = teacher.const_data_ptr<float>();
  float* z = student.mutable_data_ptr<float>();
  const std::int64_t* ids = next.defined() ? next.const_data_ptr<std::int64_t>() : nullptr;
  kernels::parallel_for(teacher.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end); ++row) {
      out[row] =
          score_row({t + row * vocab, vocab}, {z + row * vocab, vocab}, ids == nullptr ? nullptr : ids + row);
    }
  });
}

/// The same by tensor operations; one read back a chunk.
void score_by_operators(const at::Tensor& teacher, const at::Tensor& student, const at::Tensor& next,
                        std::span<PositionScore> out) {
  const at::Tensor log_p = at::log_softmax(teacher, 1);
  const at::Tensor log_q = at::log_softmax(student, 1);
  const at::Tensor p = log_p.exp();
  const at::Tensor terms = at::where(p == 0, at::zeros({}, p.options()), p * (log_p - log_q));
  const at::Tensor choice = at::argmax(teacher, 1, /*keepdim=*/true);
  const at::Tensor same = choice.squeeze(1).eq(at::argmax(student, 1)).to(at::kDouble);
  const at::Tensor logit = student.gather(1, choice);
  const at::Tensor lower = at::arange(student.size(1), choice.options()).lt(choice);
  const at::Tensor ahead = student.gt(logit).logical_or(student.eq(logit).logical_and(lower)).sum(1);
  const at::Tensor same5 = ahead.lt(kFirst).to(at::kDouble);
  const at::Tensor kl = terms.sum(1, false, at::kDouble);
  at::Tensor teacher_nll = at::zeros_like(kl);
  at::Tensor student_nll = teacher_nll;
  if (next.defined()) {
    const at::Tensor ids = next.to(teacher.device()).unsqueeze(1);
    teacher_nll = -log_p.gather(1, ids).squeeze(1).to(at::kDouble);
    student_nll = -log_q.gather(1, ids).squeeze(1).to(at::kDouble);
  }
  const at::Tensor host = at::stack({kl, same, teacher_nll, student_nll, same5}, 1).cpu();
  const double* values = host.const_data_ptr<double>();
  for (PositionScore& score : out) {
    const bool finite = std::isfinite(values[0]);
    score = {values[0], finite ? values[1] : 0, values[2], values[3], 1, finite ? values[4] : 0};
    values += 5;
  }
}

using ScoreRows = kernels::Operation<decltype(score_on_cpu)>;
constexpr ScoreRows kScoreRows(score_by_operators, {{at::kCPU, score_on_cpu}});
constexpr ScoreRows kScoreRowsGeneric(score_by_operators, {});

/// Value at `share` of the sorted range, between neighbours where it falls there.
double quantile(std::span<const double> sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

void score(const HeadStates& teacher, const HeadStates& student, const at::Tensor& next,
           std::span<PositionScore> out, const ScoreRows& score_rows) {
  const at::NoGradGuard no_grad;
  const auto fits = [](const HeadStates& s) {
    return s.hidden.dim() == 2 && s.head.dim() == 2 && s.hidden.size(1) == s.head.size(1);
  };
  require(fits(teacher) && fits(student), "hidden [N, H] and head [V, H] do not fit together");
  const std::int64_t positions = teacher.hidden.size(0);
  require(student.hidden.size(0) == positions && static_cast<std::int64_t>(out.size()) == positions,
          "teacher, student and result differ in the number of positions");
  require(!next.defined() || (next.dim() == 1 && next.size(0) == positions), "next tokens must be [N]");
  const std::int64_t vocab = std::min(teacher.head.size(0), student.head.size(0));
  if (positions == 0) return;
  at::Tensor ids;
  if (next.defined()) {
    ids = next.to(at::kCPU, at::kLong).contiguous();
    require(ids.min().item<std::int64_t>() >= 0 && ids.max().item<std::int64_t>() < vocab,
            "a next token is outside the vocabulary");
  }

  const at::Tensor teacher_head = teacher.head.narrow(0, 0, vocab).to(at::kFloat);
  const at::Tensor student_head = student.head.narrow(0, 0, vocab).to(at::kFloat);
  const std::int64_t chunk = std::min(kChunk, positions);
  at::Tensor teacher_logits = at::empty({chunk, vocab}, teacher_head.options());
  at::Tensor student_logits = at::empty({chunk, vocab}, student_head.options());
  for (std::int64_t begin = 0; begin < positions; begin += chunk) {
    const std::int64_t count = std::min(chunk, positions - begin);
    const auto logits = [&](const HeadStates& states, const at::Tensor& head, const at::Tensor& buffer) {
      at::Tensor rows = buffer.narrow(0, 0, count);
      kernels::mm_out(rows, states.hidden.narrow(0, begin, count).to(head.device(), at::kFloat), head.t());
      return rows;
    };
    const at::Tensor t = logits(teacher, teacher_head, teacher_logits);
    const at::Tensor z = logits(student, student_head, student_logits);
    const at::Tensor part = ids.defined() ? ids.narrow(0, begin, count) : at::Tensor();
    const auto slots = out.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
    score_rows.run(kernels::common_device(t, z), t, z, part, slots);
  }
}

}  // namespace

void score_positions(const HeadStates& teacher, const HeadStates& student, const at::Tensor& next,
                     std::span<PositionScore> out) {
  score(teacher, student, next, out, kScoreRows);
}

void score_positions_generic(const HeadStates& teacher, const HeadStates& student, const at::Tensor& next,
                             std::span<PositionScore> out) {
  score(teacher, student, next, out, kScoreRowsGeneric);
}

void score_likelihoods(const HeadStates& model, const at::Tensor& next, std::span<PositionScore> out) {
  const at::NoGradGuard no_grad;
  require(model.hidden.dim() == 2 && model.head.dim() == 2 && model.hidden.size(1) == model.head.size(1),
          "hidden [N, H] and head [V, H] do not fit together");
  const std::int64_t positions = model.hidden.size(0);
  require(next.defined() && next.dim() == 1 && next.size(0) == positions &&
              static_cast<std::int64_t>(out.size()) == positions,
          "states, next tokens and result differ in the number of positions");
  if (positions == 0) return;
  require(next.min().item<std::int64_t>() >= 0 && next.max().item<std::int64_t>() < model.head.size(0),
          "a next token is outside the vocabulary");
  const at::Tensor head = model.head.to(at::kFloat);
  const at::Tensor ids = next.to(head.device(), at::kLong).unsqueeze(1);
  for (std::int64_t begin = 0; begin < positions; begin += kChunk) {
    const std::int64_t count = std::min(kChunk, positions - begin);
    const at::Tensor logits = model.hidden.narrow(0, begin, count).to(head.device(), at::kFloat).mm(head.t());
    const at::Tensor nll = at::log_softmax(logits, 1).gather(1, ids.narrow(0, begin, count)).neg();
    const at::Tensor host = nll.squeeze(1).to(at::kCPU, at::kDouble).contiguous();
    for (std::int64_t i = 0; i < count; ++i) {
      PositionScore score;
      score.student_nll = host.const_data_ptr<double>()[i];
      score.counted = 1;
      out[static_cast<std::size_t>(begin + i)] = score;
    }
  }
}

void share_scores(std::span<PositionScore> scores, Communicator& comm) {
  if (comm.size() == 1 || scores.empty()) return;
  std::vector<double> values;
  for (const PositionScore& s : scores)
    values.insert(values.end(), {s.kl, s.same_top1, s.teacher_nll, s.student_nll, s.counted, s.same_top5});
  comm.all_reduce(std::span<double>(values), ReduceOp::sum);
  const double* v = values.data();
  for (PositionScore& s : scores) {
    s = {v[0], v[1], v[2], v[3], v[4], v[5]};
    v += 6;
  }
}

DivergenceSummary summarise(std::span<const PositionScore> scores) {
  DivergenceSummary out;
  std::vector<double> kl;
  bool finite = true;
  for (const PositionScore& score : scores) {
    if (score.counted == 0) continue;
    kl.push_back(score.kl);
    finite = finite && std::isfinite(score.kl);
    out.mean += score.kl;
    out.top1 += score.same_top1;
    out.top5 += score.same_top5;
    out.teacher_nll += score.teacher_nll;
    out.student_nll += score.student_nll;
  }
  out.positions = static_cast<std::int64_t>(kl.size());
  const auto count = static_cast<double>(kl.size());
  for (double* sum : {&out.mean, &out.top1, &out.top5, &out.teacher_nll, &out.student_nll}) *sum /= count;
  if (kl.empty() || !finite) {
    out.mean = out.median = out.p90 = out.p99 = out.p999 = std::numeric_limits<double>::quiet_NaN();
    return out;
  }
  std::sort(kl.begin(), kl.end());
  out.median = quantile(kl, 0.5);
  out.p90 = quantile(kl, 0.9);
  out.p99 = quantile(kl, 0.99);
  out.p999 = quantile(kl, 0.999);
  return out;
}

}  // namespace anemll
