// The small pure parts of a run: saved numbers, what of the logs stays, batches as tensors, sampled
// negatives.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/distill/batch_tensors.hpp"
#include "src/train/internal/log_cut.hpp"
#include "src/train/internal/run_log.hpp"
#include "src/train/internal/run_numbers.hpp"
#include "tests/support/capture.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;

namespace {

KdBatch batch_of(std::int64_t rows, std::int64_t length, std::int64_t topk) {
  KdBatch b;
  b.rows = rows;
  b.length = length;
  b.positions = length - 1;
  b.topk = topk;
  std::ranges::fill(b.extend(kd::input_ids, rows * length), 1);
  std::ranges::fill(b.extend(kd::attention_mask, rows * length), std::uint8_t{1});
  std::int32_t next = 0;
  for (std::int32_t& id : b.extend(kd::topk_idx, rows * b.positions * topk)) id = next++ % 7;
  std::ranges::fill(b.extend(kd::topk_logits, rows * b.positions * topk), std::uint16_t{0x3C00});
  b.row_ids.resize(static_cast<std::size_t>(rows));
  return b;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(run_files)

BOOST_AUTO_TEST_CASE(state_reads_back_bit_for_bit) {
  RunNumbers s;
  s.step = 12;
  s.best_loss = 0.1 + 0.2;
  s.window_loss = 1.0 / 3.0;
  s.last_eval = std::numeric_limits<double>::quiet_NaN();
  const RunNumbers t = RunNumbers::from_json(s.to_json());
  BOOST_TEST(t.step == 12);
  BOOST_TEST((t.best_loss == s.best_loss && t.window_loss == s.window_loss));
  BOOST_TEST(std::isnan(t.last_eval));
  BOOST_TEST(std::isinf(RunNumbers::from_json(RunNumbers().to_json()).best_loss));
}

BOOST_AUTO_TEST_CASE(a_state_of_an_earlier_version_counts_every_row_up_to_its_step) {
  auto old = nlohmann::json::parse(RunNumbers().to_json());
  for (const char* key : {"logged_step", "evaluated_step", "evaluations", "best_step"}) old.erase(key);
  old["step"] = 12;
  old["csv_lines"] = 5;
  old["metric_lines"] = 4;
  const RunNumbers state = RunNumbers::from_json(old.dump());
  BOOST_TEST(state.logged_step == 12);
  BOOST_TEST(state.evaluated_step == 12);
  BOOST_TEST(state.best_step == -1);  // not known
}

BOOST_AUTO_TEST_CASE(csv_is_cut_by_step) {
  const std::string head = "step,train_loss,eval_loss,lr,elapsed_sec\r\n";
  const std::string before = "0,,7.0,1e-5,0.0\r\n5,6.5,,1e-5,1.0\r\n10,6.0,,1e-5,2.0\r\n10,,5.9,1e-5,2.1\r\n";
  const std::string behind = "12,5.8,,1e-5,2.4\r\n15,5.5,,1e-5,3.0\r\n20,,5.0,1e-5,4.0\r\n";
  const LogMark mark{12, 10, 10, 1, false};
  BOOST_TEST(cut_csv(head + before + behind, mark) == head + before);
  BOOST_TEST(cut_csv(head + before, mark) == head + before);
  BOOST_TEST(cut_csv("", mark).empty());
  BOOST_TEST(cut_csv("step,tra", mark).empty());  // killed while the header was written
  // The final evaluation of a run that was killed at its end is made, and written, again.
  BOOST_TEST(cut_csv(head + before + "10,,5.9,1e-5,2.2\r\n", mark) == head + before);
  const LogMark both{12, 10, 10, 2, false};
  BOOST_TEST(cut_csv(head + before + "10,,5.9,1e-5,2.2\r\n", both) == head + before + "10,,5.9,1e-5,2.2\r\n");
  // A person's lines, cells, order, line ends, header and separators.
  const std::string notes = "# before\r\n" + head + "# lowered lr\r\n";
  BOOST_TEST(cut_csv(notes + behind + before, mark) == notes + before);
  BOOST_TEST(cut_csv(head + "5,6.5,,1e-5,1.0,good\n15,5.5,,1e-5,3.0,bad\n# end", mark) ==
             head + "5,6.5,,1e-5,1.0,good\n# end\r\n");
  BOOST_TEST(cut_csv("step,train_loss,eval_loss,lr,elapsed_sec,note\n" + behind, mark) ==
             "step,train_loss,eval_loss,lr,elapsed_sec,note\n");
  BOOST_TEST(cut_csv("\"5\";\"6.5\";\"\";1e-5;1.0\n15;5.5;;1e-5;3.0\n", mark) ==
             head + "\"5\";\"6.5\";\"\";1e-5;1.0\n");
  BOOST_TEST(cut_csv(before + behind, mark) == head + before);
  // An editor drops the last line end; a killed writer stops anywhere.
  BOOST_TEST(cut_csv(head + "5,6.5,,1e-5,1.0", mark) == head + "5,6.5,,1e-5,1.0\r\n");
  BOOST_TEST(cut_csv(head + "5,6.5,,1e", mark) == head);
  BOOST_TEST(cut_csv(head + "15,6.5,,1e-5,1", mark) == head);
}

BOOST_AUTO_TEST_CASE(metrics_are_cut_by_step) {
  const std::string before =
      "{\"kind\":\"eval\",\"step\":0}\n{\"kind\":\"train\",\"step\":10}\n{\"kind\":\"eval\",\"step\":10}\n"
      "a note\n{\"mine\":1}\n";
  const std::string behind = "{\"kind\":\"train\",\"step\":12}\n{\"kind\":\"eval\",\"step\":12}\n";
  const std::string end = "{\"kind\":\"summary\",\"summary\":{\"step\":12}}\n";
  BOOST_TEST(cut_metrics(before + behind + end, {12, 10, 10, 1, false}) == before);
  BOOST_TEST(cut_metrics(before + behind + end, {12, 12, 12, 1, true}) == before + behind + end);
  BOOST_TEST(cut_metrics(before + end, {20, 20, 20, 1, false}) == before + end);  // a run that went on
  BOOST_TEST(cut_metrics(before + "{\"kind\":\"tr", {12, 10, 10, 1, false}) == before);
}

BOOST_AUTO_TEST_CASE(looks_at_layers_are_cut_by_the_step_of_the_state) {
  const std::string before =
      "{\"kind\":\"train\",\"step\":10}\n{\"kind\":\"layers\",\"step\":10}\n{\"kind\":\"layers\",\"step\":12}"
      "\n";
  const std::string behind = "{\"kind\":\"layers\",\"step\":14}\n";
  // Steps between two training rows have one too.
  BOOST_TEST(cut_metrics(before + behind, {12, 10, 10, 1, false}) == before);
}

BOOST_AUTO_TEST_CASE(the_end_of_a_stopped_run_goes_when_it_goes_on) {
  const std::string before = "{\"kind\":\"train\",\"step\":10}\n";
  const std::string end = "{\"kind\":\"end\",\"step\":10,\"exit_code\":75}\n";
  BOOST_TEST(cut_metrics(before + end, {12, 10, -1, 0, false}) == before);

  const test::TempDir dir;
  const auto text = [&dir] { return read_text(dir / "metrics.jsonl"); };
  RunLog(dir.path(), std::nullopt, 0, 10).end({7, 75, ""});
  BOOST_TEST(text() == "{\"kind\":\"end\",\"step\":7,\"exit_code\":75}\n");
  RunLog(dir.path(), SavedLog{{7, 0, -1, 0, false}, {}}, 7, 10).end({9, 3, "the disk is full"});
  BOOST_TEST(text() == "{\"kind\":\"end\",\"step\":9,\"exit_code\":3,\"error\":\"the disk is full\"}\n");
  RunLog(dir.path(), SavedLog{{7, 0, -1, 0, false}, {}}, 7, 10).end({10, 0, ""});  // the summary tells that
  BOOST_TEST(text().empty());
}

BOOST_AUTO_TEST_CASE(the_log_says_who_computes_and_again_where_that_changes) {
  const test::TempDir dir;
  const auto text = [&dir] { return read_text(dir / "metrics.jsonl"); };
  const StartRecord start{{"a", "a"}, "a \"CPU\"", "anemll_train 1\n  mpi  2", {"anemll_train", "--lr", "1"}};
  const std::string line =
      R"({"kind":"start","ran_on":["a","a"],"processor":"a \"CPU\"","build":"anemll_train 1\n  mpi  2",)"
      R"("command":["anemll_train","--lr","1"]})"
      "\n";
  TrainRecord row;
  row.step = 5;
  {
    RunLog log(dir.path(), std::nullopt, 0, 10);
    log.start(start);
    BOOST_TEST(text() == line);
    log.train(row);
  }
  const SavedLog saved{{5, 5, -1, 0, false}, {}};
  const std::string before = text();
  RunLog(dir.path(), saved, 5, 10).start(start);  // the same goes on
  BOOST_TEST(text() == before);
  StartRecord elsewhere = start;
  elsewhere.hosts = {"b"};
  RunLog(dir.path(), saved, 5, 10).start(elsewhere);
  BOOST_TEST(text().starts_with(before + R"({"kind":"start","ran_on":["b"],)"));
  RunLog(dir.path(), saved, 5, 10).start(start);  // and back: the last one counts
  BOOST_TEST(text().ends_with("}\n" + line));
}

BOOST_AUTO_TEST_CASE(logs_that_cannot_be_written_are_a_warning) {
  const test::TempDir dir;
  std::filesystem::create_directories(dir / "training_log.csv");  // nobody can write into that
  std::filesystem::create_symlink("/dev/full", dir / "metrics.jsonl");
  test::Capture errors(2);
  {
    RunLog log(dir.path(), std::nullopt, 0, 10);
    for (std::int64_t step = 1; step <= 3; ++step) {
      TrainRecord line;
      line.step = step;
      log.train(line);
      log.sync();
    }
    log.summary("{}");
  }
  const std::string told = errors.text();
  std::size_t count = 0;
  for (std::size_t at = 0; (at = told.find("a log is not written", at)) != std::string::npos; ++at) ++count;
  BOOST_TEST(count == 2U, told);  // once for each
  // What was in the way is gone: from then on it is written.
  std::filesystem::remove(dir / "training_log.csv");
  RunLog log(dir.path(), std::nullopt, 3, 10);
  BOOST_TEST(std::filesystem::is_regular_file(dir / "training_log.csv"));
}

/// Counts what it is given; fails on request.
struct CountingSink final : MetricsSink {
  struct Seen {
    int train = 0, eval = 0, summary = 0, sync = 0;
  };
  explicit CountingSink(Seen& s) : seen(s) {}
  std::string name() const override { return "counting"; }
  void train(const TrainRecord&) override { ++seen.train; }
  void eval(const EvaluationRecord&) override {
    ++seen.eval;
    throw_data("no room", "counting", "");
  }
  void summary(const std::string&) override { ++seen.summary; }
  void sync() override { ++seen.sync; }
  Seen& seen;
};

BOOST_AUTO_TEST_CASE(one_sink_more_needs_nothing_else) {
  const test::TempDir dir;
  CountingSink::Seen seen;
  test::Capture errors(2);
  RunLog log(dir.path(), std::nullopt, 0, 10);
  log.add(std::make_unique<CountingSink>(seen));
  for (int i = 0; i < 3; ++i) log.train({});
  for (int i = 0; i < 2; ++i) log.eval({});
  log.sync();
  log.summary("{}");
  BOOST_TEST((seen.train == 3 && seen.eval == 2 && seen.sync == 1 && seen.summary == 1));
  const std::string told = errors.text();
  BOOST_TEST(told.find("no room") != std::string::npos);
  BOOST_TEST(told.find("no room") == told.rfind("no room"));  // once

  // It needs no position: states say nothing of it.
  BOOST_TEST(log.positions().empty());
}

BOOST_AUTO_TEST_CASE(masked_positions_and_padding_rows_do_not_count) {
  KdBatch b = batch_of(2, 4, 3);
  BOOST_TEST(!to_tensors(b, at::kCPU).mask.defined());
  b.row_ids[1] = -1;
  BatchTensors t = to_tensors(b, at::kCPU);
  BOOST_TEST(t.targets.weight.sum().item<float>() == 3.0F);
  BOOST_TEST(!t.mask.defined());
  b[kd::attention_mask][3] = 0;  // the last token of row 0: the position that predicts it drops out
  t = to_tensors(b, at::kCPU);
  BOOST_TEST(t.mask.defined());
  BOOST_TEST(t.targets.weight.sum().item<float>() == 2.0F);
}

BOOST_AUTO_TEST_CASE(negatives_avoid_candidates_and_depend_on_the_sample_only) {
  KdBatch b = batch_of(3, 5, 6);
  b.row_ids = {4, 9, 2};
  const at::Tensor all = sample_negatives(b, 50, 8, 3, 17);
  const auto* ids = all.data_ptr<std::int32_t>();
  for (std::int64_t i = 0; i < all.numel(); ++i) {
    const std::int64_t position = i / 8;
    for (std::int64_t k = 0; k < 6; ++k)
      BOOST_TEST(ids[i] != b[kd::topk_idx][static_cast<std::size_t>(position * 6 + k)]);
    BOOST_TEST((ids[i] >= 0 && ids[i] < 50));
  }
  BOOST_TEST(all.equal(sample_negatives(b, 50, 8, 3, 17)));
  BOOST_TEST(!all.equal(sample_negatives(b, 50, 8, 3, 18)));
  BOOST_TEST(!all.equal(sample_negatives(b, 50, 8, 4, 17)));
}

BOOST_AUTO_TEST_SUITE_END()
