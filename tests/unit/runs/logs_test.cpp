// Logs of every kind as series: whole, torn while a run writes, gone on from an earlier step.
#include "anemll/core/file.hpp"
#include "src/core/metrics_log.hpp"
#include "src/runs/run_record.hpp"
#include "tests/support/temp_dir.hpp"

#include <cmath>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

using Names = std::vector<std::string>;
using Values = std::vector<std::pair<std::int64_t, double>>;

Values values(const RunRecord& run, const std::string& name) {
  Values all;
  for (const SeriesPoint& point : run.metrics.series(name)) all.emplace_back(point.step, point.value);
  return all;
}

RunRecord read(const TempDir& dir, const std::string& name, const std::string& text) {
  write_file(dir / name, text);
  return read_log(dir / name);
}

const std::string kTwoRows =
    "{\"kind\":\"eval\",\"step\":0,\"loss\":2.5,\"final\":false}\n"
    "{\"kind\":\"train\",\"step\":10,\"loss\":2,\"tokens_per_s\":100,\"note\":\"text\"}\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(runs_logs)

BOOST_AUTO_TEST_CASE(rows_of_json_become_series) {
  const TempDir dir;
  const RunRecord run = read(dir, "metrics.jsonl", kTwoRows);
  BOOST_TEST((run.metrics.names() == Names{"eval/final", "eval/loss", "train/loss", "train/tokens_per_s"}));
  BOOST_TEST((values(run, "train/loss") == Values{{10, 2}}));
  BOOST_TEST((values(run, "eval/loss") == Values{{0, 2.5}}));
  BOOST_TEST(run.unread_lines == 0);
  BOOST_TEST(run.name == dir.path().filename().string());
  BOOST_TEST(!run.closing.has_value());
}

BOOST_AUTO_TEST_CASE(what_the_writers_write_is_read_back) {
  const TempDir dir;
  {
    CsvLog table(dir / "training_log.csv", LogStart::fresh);
    table.write({0, std::nullopt, 2.5, 1e-4, 0});
    table.write({10, 2.25, std::nullopt, 5e-5, 12.5});
    JsonlLog log(dir / "metrics.jsonl", LogStart::fresh);
    log.write(JsonLine().add("kind", "train").add("step", 10).add("loss", std::nan("")).add("skipped", true));
  }
  const RunRecord table = read_run(dir.path(), LogSource::csv);
  BOOST_TEST((values(table, "train/loss") == Values{{10, 2.25}}));
  BOOST_TEST((values(table, "eval/loss") == Values{{0, 2.5}}));
  BOOST_TEST((values(table, "train/lr") == Values{{10, 5e-5}}));
  BOOST_TEST((values(table, "train/elapsed_s") == Values{{10, 12.5}}));
  const RunRecord log = read_run(dir.path());
  BOOST_TEST(log.file == dir / "metrics.jsonl");
  BOOST_TEST(std::isnan(log.metrics.last("train/loss")->value));
  BOOST_TEST((values(log, "train/skipped") == Values{{10, 1}}));
}

BOOST_AUTO_TEST_CASE(a_torn_last_line_counts_only_when_it_is_whole) {
  const TempDir dir;
  const std::string row = "{\"kind\":\"train\",\"step\":20,\"loss\":1.5}";
  for (std::size_t length = 0; length <= row.size(); ++length) {
    const RunRecord run = read(dir, "metrics.jsonl", kTwoRows + row.substr(0, length));
    BOOST_TEST(run.unread_lines == 0, length);
    BOOST_TEST(run.metrics.series("train/loss").size() == (length == row.size() ? 2U : 1U), length);
  }
  const std::string table = "step,train_loss,eval_loss,lr,elapsed_sec\r\n10,2.0,,1e-4,3.0\r\n";
  for (const char* torn : {"2", "20", "20,1", "20,1.25,,1e-"}) {
    const RunRecord run = read(dir, "training_log.csv", table + torn);
    BOOST_TEST((values(run, "train/loss") == Values{{10, 2}}), torn);
  }
}

BOOST_AUTO_TEST_CASE(a_later_row_of_a_step_counts) {
  const TempDir dir;
  const RunRecord run = read(dir, "metrics.jsonl",
                             kTwoRows +
                                 "{\"kind\":\"train\",\"step\":10,\"loss\":3}\n"
                                 "{\"kind\":\"eval\",\"step\":10,\"loss\":4}\n"
                                 "{\"kind\":\"eval\",\"step\":10,\"loss\":5}\n");
  BOOST_TEST((values(run, "train/loss") == Values{{10, 3}}));
  BOOST_TEST((values(run, "eval/loss") == Values{{0, 2.5}, {10, 5}}));
}

BOOST_AUTO_TEST_CASE(a_run_that_goes_back_forgets_what_it_left) {
  RunMetrics metrics;
  for (const std::int64_t step : {10, 20, 30, 40}) metrics.add("train", step, {{"loss", 1}});
  metrics.add("eval", 40, {{"loss", 9}});
  metrics.add("train", 25, {{"loss", 7}});
  const Series series = metrics.series("train/loss");
  BOOST_REQUIRE(series.size() == 3U);
  BOOST_TEST((series[1].step == 20 && series[2].step == 25 && series[2].value == 7));
  BOOST_TEST(!metrics.has("eval/loss"));
  metrics.add("train", 30, {{"loss", 6}});
  BOOST_TEST(metrics.last("train/loss")->step == 30);
}

BOOST_AUTO_TEST_CASE(lists_and_closing_figures) {
  const TempDir dir;
  const std::string sources =
      R"({"kind":"eval","step":5,"holdout_sources":[{"name":"a/wiki.txt","kl_mean":1},{"name":"b/wiki.txt","kl_mean":2}]})";
  const std::string layers =
      R"({"kind":"layers","step":5,"layers":[{"layer":"model.up","output_error":0.5}]})";
  const std::string summary =
      R"({"kind":"summary","summary":{"step":5,"best_loss":0.5,"best_step":4,"elapsed_s":60,"ended_by":"--patience"}})";
  const std::string text = sources + "\n" + layers + "\n" + summary + "\n";
  const RunRecord run = read(dir, "metrics.jsonl", text);
  BOOST_TEST((values(run, "eval/holdout_sources/wiki.txt/kl_mean") == Values{{5, 1}}));
  BOOST_TEST((values(run, "eval/holdout_sources/b/wiki.txt/kl_mean") == Values{{5, 2}}));
  BOOST_TEST((values(run, "layers/model.up/output_error") == Values{{5, 0.5}}));
  BOOST_REQUIRE(run.closing.has_value());
  BOOST_TEST(
      (run.closing->step == 5 && *run.closing->best_step == 4 && run.closing->ended_by == "--patience"));
  BOOST_TEST(!run.closing->final_loss.has_value());
  const RunRecord longer = read(dir, "metrics.jsonl",
                                text + R"({"kind":"train","step":6,"loss":1})"
                                       "\n");
  BOOST_TEST(!longer.closing.has_value());
}

// Of somebody else's log: two elements of one name, which is a number, or null beside a layer.
BOOST_AUTO_TEST_CASE(names_that_are_no_texts_end_nothing) {
  const TempDir dir;
  const RunRecord run = read(dir, "metrics.jsonl",
                             R"({"kind":"train","step":1,"x":[{"name":1,"v":2},{"name":1,"v":3}],)"
                             R"("y":[{"name":null,"layer":"a","v":4},{"name":null,"layer":"a","v":5}]})"
                             "\n");
  BOOST_TEST((values(run, "train/x/1/v") == Values{{1, 3}}));
  BOOST_TEST(run.unread_lines == 0);
}

BOOST_AUTO_TEST_CASE(tables_of_spreadsheets_and_older_scripts) {
  const TempDir dir;
  const RunRecord sheet =
      read(dir, "t.csv", "a comment of mine\n\"step\";\"train_loss\";eval_loss;mine\n10;2.5;;7\n");
  BOOST_TEST((values(sheet, "train/loss") == Values{{10, 2.5}}));
  BOOST_TEST((values(sheet, "train/mine") == Values{{10, 7}}));
  BOOST_TEST(sheet.name == "t");
  BOOST_TEST(
      (values(read(dir, "loss.csv", "step,loss\n1,3\n2,2.5\n"), "train/loss") == Values{{1, 3}, {2, 2.5}}));
  const RunRecord log = read(dir, "train.log",
                             "loading\nopt_step=5 micro=40 loss=1.5000 lr=1e-4\n"
                             "[10:00:00 +2.0s] step 10/20  loss 1.250000  kl 0.5  lr 1.00e-04\n"
                             "[10:00:01 +3.0s] step 10/20  eval 1.125000  best before 2\n");
  BOOST_TEST((values(log, "train/loss") == Values{{5, 1.5}, {10, 1.25}}));
  BOOST_TEST((values(log, "train/lr") == Values{{10, 1e-4}}));
  BOOST_TEST((values(log, "eval/loss") == Values{{10, 1.125}}));
  const RunRecord trainer = read(dir, "trainer_state.json",
                                 "{\n \"log_history\": [{\"step\": 1, \"loss\": 3, \"epoch\": 0.1},\n"
                                 "  {\"step\": 2, \"eval_loss\": 2, \"epoch\": 0.2}]\n}\n");
  BOOST_TEST((values(trainer, "train/loss") == Values{{1, 3}}));
  BOOST_TEST((values(trainer, "eval/loss") == Values{{2, 2}}));
}

BOOST_AUTO_TEST_CASE(the_log_of_a_folder_is_found) {
  const TempDir dir;
  BOOST_TEST(!find_log(dir.path(), LogSource::automatic).has_value());
  for (const char* step : {"9", "10"}) {
    const auto folder = dir / (std::string("checkpoint-") + step);
    std::filesystem::create_directories(folder);
    write_file(folder / "trainer_state.json", "{\"log_history\": []}");
  }
  BOOST_TEST(*find_log(dir.path(), LogSource::automatic) == dir / "checkpoint-10/trainer_state.json");
  write_file(dir / "loss_prev_1.csv", "step,loss\n");
  write_file(dir / "loss_prev_2.csv", "step,loss\n1,2\n");
  BOOST_TEST(*find_log(dir.path(), LogSource::automatic) == dir / "loss_prev_2.csv");
  write_file(dir / "loss.csv", "step,loss\n1,2\n");
  write_file(dir / "metrics.jsonl", "");
  BOOST_TEST(*find_log(dir.path(), LogSource::automatic) == dir / "metrics.jsonl");
  // The log of a run that begins is empty, and the table has a row already.
  BOOST_TEST(read_run(dir.path()).file == dir / "loss.csv");
}

BOOST_AUTO_TEST_CASE(words_of_people_find_metrics) {
  RunMetrics metrics;
  metrics.add("train", 1, {{"loss", 1}, {"kl", 1}});
  metrics.add("eval", 1, {{"loss", 1}, {"holdout_sources/a/kl_mean", 1}});
  BOOST_TEST((metrics.matching("train/loss") == Names{"train/loss"}));
  BOOST_TEST((metrics.matching("loss") == Names{"train/loss", "eval/loss"}));
  BOOST_TEST((metrics.matching("eval/*") == Names{"eval/loss", "eval/holdout_sources/a/kl_mean"}));
  BOOST_TEST((metrics.matching("holdout_sources/*/kl_mean") == Names{"eval/holdout_sources/a/kl_mean"}));
  BOOST_TEST(metrics.matching("los").empty());
}

BOOST_AUTO_TEST_CASE(runs_of_one_name_are_told_apart) {
  std::vector<RunRecord> runs(4);
  runs[0].file = "/x/a/run/metrics.jsonl";
  runs[1].file = "/x/b/run/metrics.jsonl";
  runs[2].file = "/x/c/other/metrics.jsonl";
  runs[3].file = "/x/a/run/metrics.jsonl";  // given twice: nothing tells them apart
  for (RunRecord& run : runs) run.name = run.file.parent_path().filename().string();
  runs[3].name = "mine";
  name_apart(runs);
  BOOST_TEST(runs[0].name == "a/run");
  BOOST_TEST(runs[1].name == "b/run");
  BOOST_TEST(runs[2].name == "other");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
