// What is no log, or none yet, is refused by name and with a way on.
#include "tests/support/refusals.hpp"

#include "src/runs/run_record.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace anemll::test {
namespace {

Refusal of_file(const std::string& name, const std::string& text, const std::string& value,
                LogSource source = LogSource::automatic) {
  return {name, value, [=](const TempDir& dir) {
            write_file(dir / name, text);
            read_run(dir / name, source);
          }};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(runs_refusals)

BOOST_AUTO_TEST_CASE(each_names_the_file_and_a_way_on) {
  const std::vector<Refusal> refusals = {
      {"gone", "no such file", [](const TempDir& dir) { read_run(dir / "gone"); }},
      {"no training log", "in the folder", [](const TempDir& dir) { read_run(dir.path()); }},
      {"--source csv", "in the folder", [](const TempDir& dir) { read_run(dir.path(), LogSource::csv); }},
      of_file("poem.txt", "roses are red\n", "a column step"),
      of_file("table.csv", "a,b\n1,2\n", "a column step"),
      of_file("metrics.jsonl", "{\"a\": 1}\n", "a number step"),
      of_file("metrics.jsonl", "", "no rows yet"),
      of_file("metrics.jsonl", "{\"kind\":\"train\",\"step\":1,\"loss\":1}\n", "--source csv",
              LogSource::csv),
      of_file("trainer_state.json", "{\n \"a\": 1\n}\n", "log_history"),
      of_file("training_log.csv", "step,train_loss\nx,1\n", "a number step"),
      of_file("model.safetensors", std::string("\x1f\x8b\x08\0\0\0\0\0", 8), "gzip")};
  const std::string all = check_refusals(refusals);
  check_every_message(all, std::filesystem::path(ANEMLL_SOURCE_DIR) / "src/runs", /*out_of_reach=*/{},
                      [](const std::string& name) { return name.ends_with("run_record.cpp"); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
