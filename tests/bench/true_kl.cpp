// Full-vocabulary KL(teacher || student) at T = 1 on plain text given as token ids: disjoint chunks, the
// second half of each scored, both models in fp32. Prints one JSON object. The arithmetic is its own, in
// double on host tensors: it is what figures of the score room are held against.
//
//   true_kl MODEL_DIR CHECKPOINT.pt IDS.txt [CHUNKS [CHUNK_TOKENS]]     (student = V2 checkpoint of that
//   model)
#include "anemll/core/error.hpp"
#include "anemll/model/model_files.hpp"
#include "src/core/tool.hpp"
#include "src/student/student.hpp"
#include "tests/support/open_student.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

namespace {

/// Logits exist for so many positions at a time.
constexpr std::int64_t kRows = 64;

struct Sums {
  std::vector<double> kl;
  double same = 0, teacher_nll = 0, student_nll = 0;
};

double log_sum_exp(const float* row, std::int64_t count) {
  const double largest = *std::max_element(row, row + count);
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += std::exp(double{row[i]} - largest);
  return largest + std::log(sum);
}

void add_position(const float* teacher, const float* student, std::int64_t count, std::int64_t next,
                  Sums& sums) {
  const double teacher_lse = log_sum_exp(teacher, count);
  const double student_lse = log_sum_exp(student, count);
  double kl = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double log_p = double{teacher[i]} - teacher_lse;
    kl += std::exp(log_p) * (log_p - (double{student[i]} - student_lse));
  }
  sums.kl.push_back(kl);
  sums.same += std::max_element(teacher, teacher + count) - teacher ==
                       std::max_element(student, student + count) - student
                   ? 1
                   : 0;
  sums.teacher_nll += teacher_lse - double{teacher[next]};
  sums.student_nll += student_lse - double{student[next]};
}

/// Positions tokens / 2 .. tokens - 2 of one chunk.
void add_chunk(anemll::Decoder& teacher, anemll::Decoder& student, const std::vector<std::int64_t>& ids,
               Sums& sums) {
  const at::Tensor chunk = at::tensor(ids, at::kLong).unsqueeze(0);
  const at::Tensor teacher_hidden = teacher.hidden(chunk, {}).squeeze(0);
  const at::Tensor student_hidden = student.hidden(chunk, {}).squeeze(0);
  const auto end = static_cast<std::int64_t>(ids.size()) - 1;
  for (std::int64_t first = static_cast<std::int64_t>(ids.size()) / 2; first < end; first += kRows) {
    const std::int64_t rows = std::min(kRows, end - first);
    const at::Tensor t = teacher.logits(teacher_hidden.narrow(0, first, rows)).cpu().contiguous();
    const at::Tensor s = student.logits(student_hidden.narrow(0, first, rows)).cpu().contiguous();
    for (std::int64_t row = 0; row < rows; ++row) {
      add_position(t.const_data_ptr<float>() + row * t.size(1), s.const_data_ptr<float>() + row * s.size(1),
                   std::min(t.size(1), s.size(1)), ids[static_cast<std::size_t>(first + row + 1)], sums);
    }
  }
}

/// Between neighbours where the share falls there; NaN when a value is.
double quantile(std::vector<double> values, double share) {
  if (std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); }))
    return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

int run(int argc, char** argv) {
  if (argc < 4)
    anemll::throw_usage("three arguments are needed", "true_kl",
                        "MODEL_DIR CHECKPOINT.pt IDS.txt [CHUNKS [CHUNK_TOKENS]]");
  const std::int64_t chunks = argc > 4 ? std::stoll(argv[4]) : 4;
  const std::int64_t tokens = argc > 5 ? std::stoll(argv[5]) : 512;
  std::vector<std::int64_t> ids;
  std::ifstream file(argv[3]);
  for (std::int64_t id = 0; file >> id;) ids.push_back(id);
  if (chunks < 1 || tokens < 4)
    anemll::throw_usage("nothing is scored", "true_kl", "at least one chunk of four tokens");
  if (static_cast<std::int64_t>(ids.size()) < chunks * tokens)
    anemll::throw_data("the text has " + std::to_string(ids.size()) + " tokens", argv[3],
                       "fewer or shorter chunks");

  const at::NoGradGuard no_grad;
  const anemll::ModelFiles files = anemll::load_model_files(argv[1]);
  anemll::Student student = anemll::test::open_student(files, argv[2]);
  student.set_evaluation();
  anemll::Decoder teacher(files, at::kCPU, true);
  Sums sums;
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    const auto begin = ids.begin() + chunk * tokens;
    add_chunk(teacher, student.decoder(), {begin, begin + tokens}, sums);
  }
  const auto count = static_cast<double>(sums.kl.size());
  double total = 0;
  for (const double kl : sums.kl) total += kl;
  std::printf(
      "{\"kl\": %.6f, \"median\": %.6f, \"p99\": %.6f, \"top1\": %.5f, \"student_ppl\": %.4f, "
      "\"teacher_ppl\": %.4f, \"positions\": %zu}\n",
      total / count, quantile(sums.kl, 0.5), quantile(sums.kl, 0.99), sums.same / count,
      std::exp(sums.student_nll / count), std::exp(sums.teacher_nll / count), sums.kl.size());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_tool([&] { return run(argc, argv); });
}
