#include "src/train/internal/record_figures.hpp"

#include "src/inspect/figure.hpp"
#include "src/inspect/inspection.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace anemll {
namespace {

/// Names of the Python reference, and of numbers that it calls otherwise, for keys of metrics.jsonl.
constexpr std::pair<std::string_view, std::string_view> kRenamed[] = {{"elapsed_s", "elapsed_sec"},
                                                                      {"tokens_per_s", "tokens_per_sec"},
                                                                      {"data_wait_s", "data_wait_sec"},
                                                                      {"best_loss", "lowest_loss"}};

// Rows of lists; the first column is the row's name.
constexpr auto kSources = std::to_array<Column<SourceDivergence>>({
    {"", "name", "", "data set", Shown::text, [](const SourceDivergence& s) { return Figure(s.name); }},
    {"", "kl_mean", "", "mean of the divergence from the teacher", Shown::number,
     [](const SourceDivergence& s) { return Figure(s.divergence.mean); }},
    {"", "top1", "share", "positions with the same first choice", Shown::percent,
     [](const SourceDivergence& s) { return Figure(s.divergence.top1); }},
    {"", "positions", "", "positions that were scored", Shown::number,
     [](const SourceDivergence& s) { return Figure(s.divergence.positions); }},
});
constexpr auto kSamples = std::to_array<Column<SampleAnswer>>({
    {"", "prompt", "", "one of --sample-prompts", Shown::text,
     [](const SampleAnswer& s) { return Figure(s.prompt); }},
    {"", "answer", "", "what the student says to it", Shown::text,
     [](const SampleAnswer& s) { return Figure(s.answer); }},
});

/// Those of rows that are deduced from the rows alone.
template <class Row>
using Columns = std::type_identity_t<std::span<const Column<Row>>>;

/// A line of metrics.jsonl.
class Line {
 public:
  explicit Line(std::string_view kind) { line_.add("kind", kind); }
  /// Nothing where nobody knows the value.
  void add(std::string_view key, const Figure& value) {
    if (!std::holds_alternative<std::monostate>(value)) line_.add_json(key, figure_json(value));
  }
  template <class Row>
  void rows(std::string_view key, Columns<Row> columns, const std::vector<Row>& all) {
    line_.add_json(key, rows_json(columns, all));
  }
  JsonLine take() { return std::move(line_); }

 private:
  JsonLine line_;
};

/// Numbers with names.
class Numbers {
 public:
  explicit Numbers(std::string_view kind) : kind_(kind) {}
  void add(std::string_view key, const Figure& value) {
    for (const auto& [from, to] : kRenamed) {
      if (key == from) key = to;
    }
    add_named(key == "step" ? "train/step" : kind_ + "/" + std::string(key), value);
  }
  template <class Row>
  void rows(std::string_view key, Columns<Row> columns, const std::vector<Row>& all) {
    const std::string list = key == kind_ ? kind_ : kind_ + "/" + std::string(key);
    for (const Row& row : all) {
      const std::string name = figure_text(columns.front().of(row), columns.front().shown);
      for (const Column<Row>& column : columns.subspan(1))
        add_named(list + "/" + (name.empty() ? "unnamed" : name) + "/" + std::string(column.name),
                  column.of(row));
    }
  }
  std::vector<Metric> take() { return std::move(metrics_); }

 private:
  void add_named(std::string name, const Figure& value) {
    if (const auto* number = std::get_if<double>(&value)) {
      metrics_.push_back({std::move(name), *number});
    } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      metrics_.push_back({std::move(name), static_cast<double>(*whole)});
    } else if (const auto* flag = std::get_if<bool>(&value)) {
      metrics_.push_back({std::move(name), *flag ? 1.0 : 0.0});
    }
  }

  std::string kind_;
  std::vector<Metric> metrics_;
};

template <class Out>
void tell(const TrainRecord& t, Out& out) {
  out.add("step", t.step);
  out.add("loss", t.loss);
  out.add("kl", t.kl);
  out.add("ce", t.ce);
  out.add("lr", t.lr);
  out.add("next_lr", t.next_lr);
  out.add("grad_norm", t.grad_norm);
  out.add("hard_top1", t.hard_top1);
  out.add("tokens_per_s", t.tokens_per_s);
  out.add("data_wait_s", t.data_wait_s);
  out.add("elapsed_s", t.elapsed_s);
  out.add("skipped", t.skipped);
}

/// Keys NAME_kl_mean and so on.
template <class Out>
void tell(const std::string& name, const std::optional<DivergenceSummary>& d, Out& out) {
  if (!d) return;
  out.add(name + "_kl_mean", d->mean);
  out.add(name + "_kl_median", d->median);
  out.add(name + "_kl_p99", d->p99);
  out.add(name + "_top1", d->top1);
  out.add(name + "_positions", d->positions);
}

Figure known(const std::optional<double>& value) {
  return value ? Figure(*value) : Figure();
}

template <class Out>
void tell(const EvaluationRecord& e, Out& out) {
  const EvaluationResult& r = e.result;
  out.add("step", e.step);
  out.add("loss", r.loss);
  out.add("best_loss", std::fmin(e.best, r.loss));
  out.add("next_lr", e.lr);
  out.add("elapsed_s", e.elapsed_s);
  out.add("final", e.final_evaluation);
  out.add("holdout_loss", known(r.holdout_loss));
  tell("train", r.train, out);
  tell("holdout", r.holdout, out);
  out.add("holdout_kl", known(r.holdout_kl));
  if (r.sources.size() > 1) out.rows("holdout_sources", kSources, r.sources);
  out.add("new_best", e.new_best);
  tell("text", r.text, out);
  if (r.text) {
    out.add("text_student_ppl", std::exp(r.text->student_nll));
    out.add("text_teacher_ppl", std::exp(r.text->teacher_nll));
  }
  if (!e.samples.empty()) out.rows("samples", kSamples, e.samples);
}

template <class Out>
void tell(const LayersRecord& r, Out& out) {
  out.add("step", r.step);
  out.add("elapsed_s", r.elapsed_s);
  out.rows("layers", layer_columns(), r.inspection.layers);
  out.rows("blocks", block_columns(), r.inspection.blocks);
}

template <class Out, class Record>
auto told(std::string_view kind, const Record& record) {
  Out out(kind);
  tell(record, out);
  return out.take();
}

}  // namespace

JsonLine json_of(const TrainRecord& record) {
  return told<Line>("train", record);
}
JsonLine json_of(const EvaluationRecord& record) {
  return told<Line>("eval", record);
}
JsonLine json_of(const LayersRecord& record) {
  return told<Line>("layers", record);
}

std::vector<Metric> metrics_of(const TrainRecord& record, bool annealing) {
  std::vector<Metric> metrics = told<Numbers>("train", record);
  if (!annealing) std::erase_if(metrics, [](const Metric& m) { return m.name == "train/hard_top1"; });
  return metrics;
}

std::vector<Metric> metrics_of(const EvaluationRecord& record) {
  std::vector<Metric> metrics = told<Numbers>("eval", record);
  if (std::isfinite(record.best)) metrics.push_back({"eval/best_loss", record.best});
  return metrics;
}

std::vector<Metric> metrics_of(const LayersRecord& record) {
  return told<Numbers>("layers", record);
}

}  // namespace anemll
