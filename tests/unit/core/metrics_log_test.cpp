// training_log.csv and metrics.jsonl: bytes of the rows, appending, half-written lines, full disks.
#include "src/core/metrics_log.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "tests/support/file_limit.hpp"
#include "tests/support/temp_dir.hpp"

#include <cmath>
#include <filesystem>
#include <limits>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace {

using anemll::CsvLog;
using anemll::JsonLine;
using anemll::JsonlLog;
using anemll::LogStart;
using anemll::read_text;

// Rows as the reference writes them: Python's csv module, "%.6f", "%.2e", "%.1f".
constexpr const char* kThreeRows =
    "step,train_loss,eval_loss,lr,elapsed_sec\r\n"
    "0,,7.412345,5.00e-05,0.0\r\n"
    "20,6.125000,,1.00e-05,12.3\r\n"
    "20,,6.000001,1.00e-05,13.0\r\n";

void write_three(CsvLog& log) {
  log.write({.step = 0, .train_loss = {}, .eval_loss = 7.4123449, .lr = 5e-5, .elapsed_s = 0});
  log.write({.step = 20, .train_loss = 6.125, .eval_loss = {}, .lr = 1e-5, .elapsed_s = 12.34});
  log.write({.step = 20, .train_loss = {}, .eval_loss = 6.000001, .lr = 1e-5, .elapsed_s = 12.96});
}

std::size_t files_in(const std::filesystem::path& dir) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(dir), {}));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_metrics_log)

BOOST_AUTO_TEST_CASE(csv_rows_are_the_references_bytes) {
  const anemll::test::TempDir dir;
  const auto path = dir / "training_log.csv";
  anemll::write_file(path, "old run\n");
  CsvLog log(path, LogStart::fresh);
  BOOST_TEST(read_text(path) == "step,train_loss,eval_loss,lr,elapsed_sec\r\n");  // there from the start
  write_three(log);
  BOOST_TEST(read_text(path) == kThreeRows);  // no flush needed
}

BOOST_AUTO_TEST_CASE(csv_writes_nan_as_python_does) {
  const anemll::test::TempDir dir;
  CsvLog log(dir / "a.csv", LogStart::fresh);
  log.write({.step = 1,
             .train_loss = -std::numeric_limits<double>::quiet_NaN(),
             .eval_loss = HUGE_VAL,
             .lr = 0,
             .elapsed_s = 1});
  BOOST_TEST(read_text(dir / "a.csv").ends_with("1,nan,inf,0.00e+00,1.0\r\n"));
}

BOOST_AUTO_TEST_CASE(csv_appends) {
  const anemll::test::TempDir dir;
  const auto path = dir / "training_log.csv";
  {
    CsvLog log(path, LogStart::fresh);
    write_three(log);
  }
  CsvLog log(path, LogStart::append);
  BOOST_TEST(read_text(path) == kThreeRows);
  log.write({.step = 40, .train_loss = 4, .eval_loss = {}, .lr = 1e-5, .elapsed_s = 21});
  BOOST_TEST(read_text(path) == std::string(kThreeRows) + "40,4.000000,,1.00e-05,21.0\r\n");
  BOOST_TEST(files_in(dir.path()) == 1u);  // no temporary file is left
}

BOOST_AUTO_TEST_CASE(csv_drops_a_half_written_row) {
  const anemll::test::TempDir dir;
  const auto path = dir / "training_log.csv";
  for (const char* half : {"4", "40,5.0000", "40,5.000000,,1.00e-05,20.0\r"}) {
    anemll::write_file(path, std::string(kThreeRows) + half);
    CsvLog log(path, LogStart::append);
    BOOST_TEST(read_text(path) == kThreeRows);
  }
  anemll::write_file(path, "step,tra");  // killed while the header was written
  const CsvLog log(path, LogStart::append);
  BOOST_TEST(read_text(path) == "step,train_loss,eval_loss,lr,elapsed_sec\r\n");
}

BOOST_AUTO_TEST_CASE(csv_starts_a_missing_file_and_refuses_a_foreign_one) {
  const anemll::test::TempDir dir;
  CsvLog started(dir / "new.csv", LogStart::append);
  BOOST_TEST(read_text(dir / "new.csv") == "step,train_loss,eval_loss,lr,elapsed_sec\r\n");
  anemll::write_file(dir / "foreign.csv", "a,b\r\n1,2\r\n");
  BOOST_CHECK_EXCEPTION(CsvLog(dir / "foreign.csv", LogStart::append), anemll::Error,
                        [](const anemll::Error& e) {
                          return e.code() == anemll::ExitCode::data && e.where().ends_with("foreign.csv");
                        });
  BOOST_CHECK_THROW(CsvLog(dir / "no/such/folder.csv", LogStart::fresh), anemll::Error);
}

BOOST_AUTO_TEST_CASE(json_numbers_have_nine_digits_and_stay_json) {
  JsonLine line;
  line.add("step", 20)
      .add("loss", 1.0 / 3)
      .add("f", static_cast<double>(0.1F))
      .add("big", std::uint64_t{1} << 63);
  line.add("nan", std::nan("")).add("ok", true).add("text", "a \"quote\"\n").add_json("list", "[1,2]");
  BOOST_TEST(
      line.text() ==
      R"({"step":20,"loss":0.333333333,"f":0.100000001,"big":9223372036854775808,"nan":null,"ok":true,)"
      R"("text":"a \"quote\"\n","list":[1,2]})");
  BOOST_TEST(nlohmann::json::parse(line.text()).at("text").get<std::string>() == "a \"quote\"\n");
  BOOST_TEST(static_cast<float>(nlohmann::json::parse(line.text()).at("f").get<double>()) == 0.1F);
  BOOST_TEST(JsonLine().text() == "{}");
  JsonLine invalid;
  invalid.add("bad", "\xff");  // not UTF-8: replaced, never thrown in the middle of a run
  BOOST_TEST(nlohmann::json::accept(invalid.text()));
}

BOOST_AUTO_TEST_CASE(jsonl_drops_a_half_line) {
  const anemll::test::TempDir dir;
  const auto path = dir / "metrics.jsonl";
  {
    JsonlLog log(path, LogStart::fresh);
    log.write(JsonLine().add("run", "x"));
    log.write(JsonLine().add("loss", 0.5).add("step", 1));
  }
  const std::string before = read_text(path);
  anemll::write_file(path, before + R"({"step":5,"lo)");
  JsonlLog log(path, LogStart::append);
  BOOST_TEST(read_text(path) == before);
  log.write(JsonLine().add("step", 3));
  BOOST_TEST(read_text(path) == "{\"run\":\"x\"}\n{\"loss\":0.5,\"step\":1}\n{\"step\":3}\n");
  log.sync();
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_an_error_and_leaves_no_half_row) {
  const anemll::test::TempDir dir;
  const auto path = dir / "training_log.csv";
  CsvLog log(path, LogStart::fresh);
  write_three(log);
  {
    const anemll::test::FileLimit limit(read_text(path).size() + 10);  // a third of the next row
    BOOST_CHECK_EXCEPTION(write_three(log), anemll::Error, [&](const anemll::Error& e) {
      return e.code() == anemll::ExitCode::data && e.where() == path.string() && !e.hint().empty();
    });
  }
  BOOST_TEST(read_text(path) == kThreeRows);
  log.write({.step = 40, .train_loss = 4, .eval_loss = {}, .lr = 1e-5, .elapsed_s = 21});  // space is back
  BOOST_TEST(read_text(path).ends_with("\r\n40,4.000000,,1.00e-05,21.0\r\n"));
}

BOOST_AUTO_TEST_SUITE_END()
