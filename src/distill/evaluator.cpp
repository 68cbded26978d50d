#include "src/distill/evaluator.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/hash.hpp"
#include "src/data/origin.hpp"
#include "src/distill/batch_tensors.hpp"
#include "src/distill/sample_scores.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace anemll {
namespace {

/// Rows of an evaluation that have something to score; the others are told once.
std::int64_t count_supervised(const KdBatch& batch, const char* part, const Communicator& comm) {
  std::int64_t count = 0;
  for (std::int64_t row = 0; row < batch.rows; ++row) count += is_supervised(batch, row) ? 1 : 0;
  if (count < batch.rows && comm.is_root()) {
    log_warning(
        strf("%lld of the %lld %s sequences of an evaluation have no supervised token and are left out",
             static_cast<long long>(batch.rows - count), static_cast<long long>(batch.rows), part));
  }
  return count;
}

}  // namespace

Evaluator::Evaluator(Protocol protocol, Prefetcher& data, Subject student, Sources sources,
                     Communicator& comm, at::Device device)
    : protocol_(std::move(protocol)),
      student_(student),
      sources_(std::move(sources)),
      comm_(comm),
      device_(device) {
  if (sources_.text && sources_.teacher) {
    text_digest_ = sha256_hex(sources_.text->digest() + sources_.teacher->fingerprint);
    first_text_digest_ = sha256_hex(sources_.text->digest() + sources_.teacher->first_fingerprint);
  }
  PayloadSet payloads;
  if (sources_.cache_hidden) payloads.add(Payload::hidden);
  train_.batch = data.read_rows(0, std::min(protocol_.samples, data.info().sequences), payloads);
  if (data.info().holdout_sequences > 0) read_holdout(data, payloads);
  if (count_supervised(train_.batch, "first", comm) == 0) {
    throw_data("none of the first " + std::to_string(train_.batch.rows) + " sequences has a supervised token",
               protocol_.cache,
               "an evaluation needs one: give a larger --eval-samples, or make a cache of longer texts; "
               "anemll_cache verify lists such sequences");
  }
  if (holdout_.batch.rows > 0 && count_supervised(holdout_.batch, "hold-out", comm) == 0) holdout_.batch = {};
  for (Rows* rows : {&train_, &holdout_}) take_hidden(*rows);
}

Evaluator::~Evaluator() = default;

/// At most `samples` rows in all, as many of each data set as it has of an equal share.
void Evaluator::read_holdout(Prefetcher& data, PayloadSet payloads) {
  const std::vector<HoldoutSource> sources =
      holdout_sources(data.info().meta_json, data.info().holdout_sequences);
  const std::int64_t share =
      std::max<std::int64_t>(protocol_.samples / static_cast<std::int64_t>(sources.size()), 1);
  std::vector<std::int64_t> rows;
  std::int64_t first = 0;
  for (const HoldoutSource& source : sources) {
    const std::int64_t taken = std::min(source.sequences, share);
    for (std::int64_t row = first; row < first + taken; ++row) rows.push_back(row);
    held_.push_back({source.name, taken});
    first += source.sequences;
  }
  holdout_.batch = data.read_holdout(std::move(rows), payloads);
}

bool Evaluator::knows_holdout_kl() const {
  return holdout_.batch.rows > 0 &&
         (holdout_.teacher_hidden.defined() || (sources_.teacher && sources_.teacher_rows));
}

void Evaluator::add_sources(EvaluationResult& result, const SampleScores& scores) const {
  if (scores.scores.empty()) return;
  const auto positions = scores.scores.size() / static_cast<std::size_t>(holdout_.batch.rows);
  std::size_t first = 0;
  double sum = 0;
  for (const Held& source : held_) {
    const auto count = static_cast<std::size_t>(source.rows) * positions;
    const DivergenceSummary found = summarise(std::span(scores.scores).subspan(first, count));
    first += count;
    if (found.positions == 0) continue;  // nothing of it is supervised
    result.sources.push_back({source.name, found});
    sum += found.mean;
  }
  if (!result.sources.empty()) result.holdout_kl = sum / static_cast<double>(result.sources.size());
}

/// A teacher with fewer ids than the student serves where each of the rows' fits. All ranks hold all rows.
void Evaluator::check_ids(const KdBatch& rows, const Architecture& teacher) {
  for (const std::int32_t id : rows[kd::input_ids]) {
    if (id < teacher.vocab_size) continue;
    throw_data("the rows to evaluate have the id " + std::to_string(id) + ", the teacher only " +
                   std::to_string(teacher.vocab_size) + " ids",
               "--teacher-model", "give a teacher that has this id, or drop the option");
  }
}

void Evaluator::take_hidden(Rows& rows) {
  if (rows.batch[kd::hidden].empty()) return;
  const at::Tensor view = hidden_of(rows.batch);
  rows.teacher_hidden = device_.is_cpu() ? view : view.to(device_);
}

void Evaluator::run_teacher() {
  if (!sources_.teacher) return;
  log_info("running the teacher on the evaluation's rows and text");
  Decoder teacher(*sources_.teacher, device_, true);
  for (Rows* rows : {&train_, &holdout_}) {
    if (sources_.teacher_rows && rows->batch.rows > 0 && !rows->teacher_hidden.defined()) {
      check_ids(rows->batch, teacher.architecture());
      const at::Tensor hidden = teacher_states(teacher, rows->batch, comm_);
      rows->teacher_hidden = hidden.to(device_);
    }
  }
  if (sources_.text) sources_.text->run_teacher(teacher, comm_);
  // Otherwise the student's head serves, which has an fp32 copy during evaluations anyway.
  if (sources_.teacher->fingerprint != sources_.base_fingerprint || student_.own_head)
    own_head_ = teacher.head_weight(at::kFloat);
  sources_.teacher.reset();
}

at::Tensor Evaluator::teacher_head() const {
  return own_head_.defined() ? own_head_ : student_.decoder->head_weight(at::kFloat);
}

EvaluationResult Evaluator::run(bool with_text) {
  run_teacher();
  Decoder& decoder = *student_.decoder;
  const auto score = [&](const Rows& rows) {
    TeacherRows teacher;
    if (rows.teacher_hidden.defined()) {
      const bool from_cache = !rows.batch[kd::hidden].empty();
      teacher = {rows.teacher_hidden, from_cache ? decoder.head_weight(at::kFloat) : teacher_head()};
    }
    return score_samples(decoder, rows.batch, teacher, protocol_.temperature, comm_);
  };
  EvaluationResult result;
  const SampleScores train = score(train_);
  result.loss = train.loss;
  result.train = train.divergence;
  if (holdout_.batch.rows > 0) {
    const SampleScores held = score(holdout_);
    result.holdout_loss = held.loss;
    result.holdout = held.divergence;
    add_sources(result, held);
  }
  if (with_text && sources_.text)
    result.text = sources_.text->score(decoder, decoder.head_weight(at::kFloat), teacher_head(), comm_);
  return result;
}

}  // namespace anemll
