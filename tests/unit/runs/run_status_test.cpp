// How a run goes, by made-up folders: pace and what is left, best evaluation, states, dumps, warnings,
// liveness.
#include "src/runs/run_status.hpp"

#include "anemll/core/file.hpp"
#include "src/core/file_lock.hpp"
#include "src/core/lock_holder.hpp"
#include "tests/support/temp_dir.hpp"

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

/// A folder with rows at the steps 0, 10, 20 and 30: 2 s a step.
struct RunFolder {
  TempDir dir;
  fs::path folder = dir / "run";

  RunFolder() {
    fs::create_directories(folder);
    write_file(folder / "config.json", "{\"max_steps\": 130}");
    write_file(folder / "metrics.jsonl", rows());
  }
  static std::string rows() {
    return R"({"kind":"eval","step":0,"loss":3,"elapsed_s":0,"holdout_kl":2,"new_best":false})"
           "\n"
           R"({"kind":"train","step":10,"loss":2.5,"elapsed_s":20,"data_wait_s":1,"tokens_per_s":50,"skipped":false})"
           "\n"
           R"({"kind":"train","step":20,"loss":2,"elapsed_s":40,"data_wait_s":5,"tokens_per_s":60,"skipped":false})"
           "\n"
           R"({"kind":"eval","step":20,"loss":2.25,"elapsed_s":40,"holdout_kl":1.5,"new_best":true})"
           "\n"
           R"({"kind":"train","step":30,"loss":1.5,"elapsed_s":60,"data_wait_s":5,"tokens_per_s":70,"skipped":true})"
           "\n"
           R"({"kind":"eval","step":30,"loss":2.5,"elapsed_s":60,"holdout_kl":1.75,"new_best":false})"
           "\n";
  }
  RunStatus look(const std::vector<fs::path>& logs = {}) const { return look_at_run(folder, logs); }
  void age(std::chrono::seconds by) const {
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      fs::last_write_time(entry.path(), fs::file_time_type::clock::now() - by);
    fs::last_write_time(folder, fs::file_time_type::clock::now() - by);
  }
  void add_state(std::int64_t step, const std::string& name) const {
    fs::create_directories(folder / "state" / name);
    write_file(folder / "state" / name / "manifest.json", "{}");
    write_file(
        folder / "state" / name / "trainer.json",
        "{\"options\": {\"max-steps\": " + std::to_string(step) + "}, \"ran_on\": [\"beta\", \"alpha\"]}");
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(runs_status)

BOOST_FIXTURE_TEST_CASE(a_run_under_way, RunFolder) {
  const RunStatus status = look();
  BOOST_TEST((status.liveness == Liveness::running));
  BOOST_TEST(status.step == 30);
  BOOST_TEST(*status.max_steps == 130);
  BOOST_TEST(*status.elapsed_s == 60);
  BOOST_TEST(*status.seconds_per_step == 2);
  BOOST_TEST(*status.seconds_per_row == 20);
  BOOST_TEST((*status.eta_s > 180 && *status.eta_s <= 200));  // 100 steps, less what has gone since
  BOOST_TEST(*status.tokens_per_s == 70);
  BOOST_TEST((status.data_wait->data_s == 5 && status.data_wait->of_s == 20));
  BOOST_TEST(status.best->metric == "eval/holdout_kl");
  BOOST_TEST((status.best->point.step == 20 && status.best->point.value == 1.5));
  BOOST_TEST(!status.state.has_value());
  BOOST_TEST(!status.process.has_value());
  BOOST_TEST((status.warnings == Words{"1 of the last 3 rows tell of a step that was skipped"}));
}

BOOST_FIXTURE_TEST_CASE(a_table_alone_will_do, RunFolder) {
  fs::remove(folder / "metrics.jsonl");
  write_file(folder / "training_log.csv",
             "step,train_loss,eval_loss,lr,elapsed_sec\r\n0,,3.0,1e-4,0.0\r\n10,2.5,,1e-4,20.0\r\n"
             "20,2.0,,1e-4,40.0\r\n20,,2.25,1e-4,40.0\r\n");
  const RunStatus status = look();
  BOOST_TEST(status.step == 20);
  BOOST_TEST(*status.seconds_per_step == 2);
  BOOST_TEST(status.best->metric == "eval/loss");
  BOOST_TEST(status.best->point.step == 20);
  BOOST_TEST(!status.data_wait.has_value());
}

BOOST_FIXTURE_TEST_CASE(silence, RunFolder) {
  age(std::chrono::seconds(79));
  BOOST_TEST((look().liveness == Liveness::running));  // four rows are 80 s
  age(std::chrono::seconds(200));
  const RunStatus status = look();
  BOOST_TEST((status.liveness == Liveness::silent));
  BOOST_TEST(*status.quiet_s >= 200);
  BOOST_TEST(!status.eta_s.has_value());
  age(std::chrono::seconds(-100));  // the clock of another host is ahead
  BOOST_TEST(*look().quiet_s == 0);
}

BOOST_FIXTURE_TEST_CASE(a_process_that_holds_the_folder, RunFolder) {
  FileLock lock;
  BOOST_REQUIRE(lock.take(folder / ".lock"));
  age(std::chrono::seconds(1000));
  const RunStatus status = look();
  if (lock_holder(folder / ".lock")) {  // not on every file system
    BOOST_TEST((status.liveness == Liveness::running));
    BOOST_TEST(*status.process == ::getpid());
  } else {
    BOOST_TEST((status.liveness == Liveness::silent));
  }
}

BOOST_FIXTURE_TEST_CASE(the_end, RunFolder) {
  write_file(folder / "metrics.jsonl",
             rows() + R"({"kind":"summary","summary":{"step":30,"elapsed_s":65,"ended_by":"--patience"}})"
                      "\n");
  age(std::chrono::seconds(100000));
  const RunStatus status = look();
  BOOST_TEST((status.liveness == Liveness::over));
  BOOST_TEST(*status.elapsed_s == 65);
  BOOST_TEST(!status.eta_s.has_value());
}

BOOST_FIXTURE_TEST_CASE(a_stop_is_known_at_once_till_a_row_follows, RunFolder) {
  const std::string stop = "{\"kind\":\"end\",\"step\":34,\"exit_code\":75}\n";
  write_file(folder / "metrics.jsonl", rows() + stop);
  RunStatus status = look();
  BOOST_TEST((status.liveness == Liveness::stopped));
  BOOST_TEST(status.step == 34);
  BOOST_TEST(!status.eta_s.has_value());
  BOOST_TEST(!status.record->metrics.has("end/exit_code"));
  age(std::chrono::seconds(100000));
  BOOST_TEST((look().liveness == Liveness::stopped));

  const std::string row = R"({"kind":"train","step":40,"loss":1,"elapsed_s":80})";
  write_file(folder / "metrics.jsonl", rows() + stop + row + "\n");
  BOOST_TEST((look().liveness == Liveness::running));
  const std::string summary = R"({"kind":"summary","summary":{"step":130,"elapsed_s":65}})";
  write_file(folder / "metrics.jsonl", rows() + stop + summary + "\n");
  BOOST_TEST((look().liveness == Liveness::over));
  write_file(folder / "metrics.jsonl", rows() + summary + "\n" + stop);  // a complete run that went on
  BOOST_TEST((look().liveness == Liveness::stopped));

  write_file(folder / "metrics.jsonl", rows() + R"({"kind":"end","step":34,"exit_code":3,"error":"disk"})"
                                                "\n");
  status = look();
  BOOST_TEST((status.liveness == Liveness::stopped));
  BOOST_TEST(!status.record->stop->saved());
  BOOST_TEST(status.record->stop->error == "disk");

  FileLock lock;  // a process that goes on has not reached its first row
  BOOST_REQUIRE(lock.take(folder / ".lock"));
  if (lock_holder(folder / ".lock")) BOOST_TEST((look().liveness == Liveness::running));
}

BOOST_FIXTURE_TEST_CASE(a_stop_before_the_first_row, RunFolder) {
  write_file(folder / "metrics.jsonl", "{\"kind\":\"end\",\"step\":2,\"exit_code\":75}\n");
  write_file(folder / "training_log.csv", "step,train_loss,eval_loss,lr,elapsed_sec\r\n");
  const RunStatus status = look();
  BOOST_TEST((status.liveness == Liveness::stopped));
  BOOST_TEST(status.step == 2);
  BOOST_TEST(status.warnings.empty());
}

BOOST_FIXTURE_TEST_CASE(before_the_first_row, RunFolder) {
  fs::remove(folder / "metrics.jsonl");
  RunStatus status = look();
  BOOST_TEST((status.liveness == Liveness::waiting));
  BOOST_TEST(!status.record.has_value());
  BOOST_TEST(*status.max_steps == 130);
  write_file(folder / "metrics.jsonl", "");
  BOOST_TEST((look().liveness == Liveness::waiting));
  BOOST_TEST((look_at_run(dir / "none", {}).liveness == Liveness::waiting));
  write_file(folder / "metrics.jsonl", "no log at all\n");
  status = look();
  BOOST_TEST((status.liveness == Liveness::waiting));
  BOOST_TEST(status.warnings.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(the_newest_whole_state_counts, RunFolder) {
  add_state(50, "step_00000009");
  add_state(60, "step_00000010");
  add_state(70, "step_00000020.tmp");
  fs::create_directories(folder / "state/step_00000030");  // its manifest is not there yet
  BOOST_TEST(look().state->step == 10);
  BOOST_TEST(look().step == 30);  // of its rows, which are ahead
  BOOST_TEST(*look().max_steps == 130);
  BOOST_TEST(*look().ranks == 2);
  BOOST_TEST((look().hosts == Words{"alpha", "beta"}));
  fs::remove(folder / "config.json");
  BOOST_TEST(*look().max_steps == 60);
}

BOOST_FIXTURE_TEST_CASE(the_first_line_of_a_log_tells_ranks_and_hosts, RunFolder) {
  const std::string start =
      R"({"kind":"start","ran_on":["delta","gamma","gamma"],"processor":"P","build":"b","command":[]})"
      "\n";
  const std::string odd = R"({"kind":"start","by":"somebody else"})"
                          "\n";
  write_file(folder / "metrics.jsonl", start);
  write_file(folder / "training_log.csv", "step,train_loss,eval_loss,lr,elapsed_sec\r\n");
  RunStatus status = look();  // before a row, and before a state
  BOOST_TEST((status.liveness == Liveness::waiting));
  BOOST_REQUIRE(status.ranks.has_value());
  BOOST_TEST(*status.ranks == 3);
  BOOST_TEST((status.hosts == Words{"delta", "gamma"}));
  BOOST_TEST(status.warnings.empty());

  add_state(9, "step_00000009");  // of the program before it
  write_file(folder / "metrics.jsonl", start + rows() + odd);
  status = look();
  BOOST_TEST((status.step == 30 && *status.ranks == 3));
  BOOST_TEST((status.hosts == Words{"delta", "gamma"}));
  BOOST_TEST(status.record->unread_lines == 0);

  // The run is over, and another look at it tells nothing new.
  const std::string summary = R"({"kind":"summary","summary":{"step":30}})"
                              "\n";
  write_file(folder / "metrics.jsonl", start + rows() + summary + start);
  BOOST_TEST((look().liveness == Liveness::over));
}

BOOST_FIXTURE_TEST_CASE(a_state_is_ahead_of_the_rows, RunFolder) {
  add_state(130, "step_00000034");
  BOOST_TEST(look().step == 34);
}

BOOST_FIXTURE_TEST_CASE(what_dumps_and_texts_tell, RunFolder) {
  fs::create_directories(folder / "flight");
  write_file(
      folder / "flight/flight_20260101_000000_rank1.json",
      R"({"reason":"error","time":"2026-01-01T00:00:00+0000","ranks":2,"mine":{"rank":1,"host":"beta"},)"
      R"("known":[{"rank":0,"host":"alpha"}]})");
  write_file(folder / "flight/flight_20260101_000001_rank0.json", "{ torn");
  RunStatus status = look();
  BOOST_TEST(*status.ranks == 2);
  BOOST_TEST((status.hosts == Words{"alpha", "beta"}));
  BOOST_TEST(status.warnings[0] == "dump of 2026-01-01T00:00:00+0000, rank 1 on beta: error");

  write_file(folder / "train.log",
             "[10:00:00 +0.1s] 4 ranks (mpi), 2 threads each, cpu, fp32 GEMMs\n"
             "[10:00:01 +1.1s] warning: the first one\n[10:00:01 +1.1s] warning: twice\n"
             "[10:00:02 +2.1s] slowest rank: 1 on gamma, 1.1x the median\n"
             "[10:00:03 +3.1s] warning: twice\n");
  write_file(dir / "run.err", "error: a file is missing\n  where: x\n");
  write_file(dir / "more.txt", "[rank 1] [10:00:03 +3.1s] warning: \x1b[31mred\n");
  status = look({dir / "more.txt"});
  BOOST_TEST(*status.ranks == 4);
  BOOST_TEST((status.hosts == Words{"alpha", "beta", "gamma"}));
  BOOST_TEST((status.warnings == Words{"error: a file is missing", "\\x1B[31mred",
                                       "1 of the last 3 rows tell of a step that was skipped"}));
}

BOOST_FIXTURE_TEST_CASE(a_best_step_that_is_evaluated_twice_stays_the_best, RunFolder) {
  const std::string evaluation =
      R"({"kind":"eval","step":40,"loss":1,"elapsed_s":80,"holdout_kl":1,"new_best":)";
  write_file(folder / "metrics.jsonl", rows() + evaluation + "true}\n" + evaluation + "false}\n");
  BOOST_TEST(look().best->point.step == 40);
}

BOOST_FIXTURE_TEST_CASE(a_loss_that_is_no_number, RunFolder) {
  write_file(folder / "metrics.jsonl", rows() + R"({"kind":"train","step":40,"loss":null,"elapsed_s":80})"
                                                "\n");
  const RunStatus status = look();
  BOOST_TEST(status.step == 40);
  BOOST_TEST(status.warnings[0] == "the loss at step 40 is no finite number");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
