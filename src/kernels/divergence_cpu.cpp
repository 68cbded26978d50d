#include "src/kernels/divergence_cpu.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace anemll::kernels {
namespace {

constexpr std::size_t kLanes = 32;
/// Partial sums leave fp32 for double after this many elements.
constexpr std::size_t kSumBlock = 4096;

template <class T>
ANEMLL_INLINE void find_maxima(const T* teacher, const T* difference, std::size_t size, PairStats& stats) {
  float t_lanes[kLanes];
  float z_lanes[kLanes];
  std::fill_n(t_lanes, kLanes, -std::numeric_limits<float>::infinity());
  std::fill_n(z_lanes, kLanes, -std::numeric_limits<float>::infinity());
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float t = load(teacher[i + l]);
      const float z = t + load(difference[i + l]);
      t_lanes[l] = t > t_lanes[l] ? t : t_lanes[l];
      z_lanes[l] = z > z_lanes[l] ? z : z_lanes[l];
    }
  }
  for (std::size_t l = 0; i < size; ++i, ++l) {
    const float t = load(teacher[i]);
    const float z = t + load(difference[i]);
    t_lanes[l] = t > t_lanes[l] ? t : t_lanes[l];
    z_lanes[l] = z > z_lanes[l] ? z : z_lanes[l];
  }
  stats.teacher_max = *std::max_element(t_lanes, t_lanes + kLanes);
  stats.student_max = *std::max_element(z_lanes, z_lanes + kLanes);
}

/// The partial sums of one block.
struct Lanes {
  float teacher[kLanes] = {};
  float student[kLanes] = {};
  float plain[kLanes] = {};
  float gap[kLanes] = {};
};

template <bool kPlain, class T>
ANEMLL_INLINE void add_pair(T teacher, T difference, std::size_t l, const PairStats& stats, float scale,
                            Lanes& lanes) {
  const float wide = load(teacher);
  const float t = wide - stats.teacher_max;
  const float z = (wide + load(difference)) - stats.student_max;
  const float e = exp_fast(scale * t);
  lanes.teacher[l] += e;
  lanes.student[l] += exp_fast(scale * z);
  lanes.gap[l] += e * (scale * ((stats.student_max - stats.teacher_max) - load(difference)));
  if constexpr (kPlain) lanes.plain[l] += exp_fast(z);
}

template <bool kPlain, class T>
ANEMLL_INLINE void add_sums(const T* teacher, const T* difference, std::size_t size, float scale,
                            PairStats& stats) {
  for (std::size_t begin = 0; begin < size; begin += kSumBlock) {
    const std::size_t end = std::min(size, begin + kSumBlock);
    Lanes lanes;
    std::size_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (std::size_t l = 0; l < kLanes; ++l)
        add_pair<kPlain>(teacher[i + l], difference[i + l], l, stats, scale, lanes);
    }
    for (std::size_t l = 0; i < end; ++i, ++l)
      add_pair<kPlain>(teacher[i], difference[i], l, stats, scale, lanes);
    for (std::size_t l = 0; l < kLanes; ++l) {
      stats.teacher_sum += double{lanes.teacher[l]};
      stats.student_sum += double{lanes.student[l]};
      stats.plain_sum += double{lanes.plain[l]};
      stats.gap += double{lanes.gap[l]};
    }
  }
}

template <class T>
ANEMLL_INLINE PairStats all_stats(const T* teacher, const T* difference, std::size_t size, float scale,
                                  bool plain) {
  PairStats stats;
  find_maxima(teacher, difference, size, stats);
  if (plain) {
    add_sums<true>(teacher, difference, size, scale, stats);
  } else {
    add_sums<false>(teacher, difference, size, scale, stats);
  }
  return stats;
}

template <class T>
ANEMLL_INLINE void slopes(const T* teacher, T* difference, std::size_t size, const PairStats& stats,
                          float scale, float soft, float hard) {
  const auto student_factor = static_cast<float>(double{soft} / stats.student_sum);
  const auto teacher_factor = static_cast<float>(double{soft} / stats.teacher_sum);
  const float t_max = stats.teacher_max;
  const float z_max = stats.student_max;
  if (hard == 0) {
    for (std::size_t i = 0; i < size; ++i) {
      const float t = load(teacher[i]);
      const float z = t + load(difference[i]);
      store(difference[i],
            student_factor * exp_fast(scale * (z - z_max)) - teacher_factor * exp_fast(scale * (t - t_max)));
    }
    return;
  }
  const auto plain_factor = static_cast<float>(double{hard} / stats.plain_sum);
  for (std::size_t i = 0; i < size; ++i) {
    const float t = load(teacher[i]);
    const float z = t + load(difference[i]);
    store(difference[i], student_factor * exp_fast(scale * (z - z_max)) -
                             teacher_factor * exp_fast(scale * (t - t_max)) +
                             plain_factor * exp_fast(z - z_max));
  }
}

}  // namespace

double PairStats::divergence() const {
  return gap / teacher_sum + std::log(student_sum / teacher_sum);
}

ANEMLL_SIMD PairStats pair_stats(std::span<const float> teacher, std::span<const float> difference,
                                 float scale, bool plain) {
  return all_stats(teacher.data(), difference.data(), teacher.size(), scale, plain);
}
ANEMLL_SIMD PairStats pair_stats(std::span<const Bf16> teacher, std::span<const Bf16> difference, float scale,
                                 bool plain) {
  return all_stats(teacher.data(), difference.data(), teacher.size(), scale, plain);
}

ANEMLL_SIMD void pair_slopes_in_place(std::span<const float> teacher, std::span<float> difference,
                                      const PairStats& stats, float scale, float soft, float hard) {
  slopes(teacher.data(), difference.data(), teacher.size(), stats, scale, soft, hard);
}
ANEMLL_SIMD void pair_slopes_in_place(std::span<const Bf16> teacher, std::span<Bf16> difference,
                                      const PairStats& stats, float scale, float soft, float hard) {
  slopes(teacher.data(), difference.data(), teacher.size(), stats, scale, soft, hard);
}

ANEMLL_SIMD void subtract_in_place(std::span<float> row, std::span<const float> other) {
  float* out = row.data();
  const float* from = other.data();
  for (std::size_t i = 0; i < row.size(); ++i) out[i] -= from[i];
}

}  // namespace anemll::kernels
