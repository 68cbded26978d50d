// What a run that goes on takes from its state: the state is read once, and every log gets back the position
// that the state keeps of it.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/train/train.hpp"
#include "src/comm/forwarding_communicator.hpp"
#include "src/core/hash.hpp"
#include "src/train/internal/run_log.hpp"
#include "src/train/internal/run_numbers.hpp"
#include "src/train/internal/state_store.hpp"
#include "tests/support/capture.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/train/payload_cache.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

/// One rank that shows what it broadcasts.
class Watched final : public ForwardingCommunicator {
 public:
  Watched(Communicator& inner, std::function<void(const std::string&)> see)
      : ForwardingCommunicator(inner), see_(std::move(see)) {}
  void broadcast(std::span<std::byte> bytes, int root) override {
    see_({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    inner().broadcast(bytes, root);
  }

 private:
  std::function<void(const std::string&)> see_;
};

/// A log of a format of its own, which is cut at a byte.
class ByteLog final : public MetricsSink {
 public:
  ByteLog(fs::path file, std::vector<std::string>& given) : file_(std::move(file)), given_(given) {}
  std::string name() const override { return "bytes"; }
  void train(const TrainRecord& t) override {
    std::ofstream(file_, std::ios::app) << "step " << t.step << '\n';
  }
  void eval(const EvaluationRecord&) override {}
  std::string position() const override { return std::to_string(fs::file_size(file_)); }
  void go_on(const LogMark& mark, const std::string& position) override {
    given_.push_back(std::to_string(mark.step) + " at " + position);
    if (fs::is_directory(file_)) throw_data("in the way", file_.string(), "");
    if (position.empty()) return;
    const std::uintmax_t end = std::stoull(position);
    if (fs::exists(file_) && fs::file_size(file_) > end) fs::resize_file(file_, end);
  }

 private:
  fs::path file_;
  std::vector<std::string>& given_;
};

void train_to(RunLog& log, std::int64_t first, std::int64_t last) {
  for (std::int64_t step = first; step <= last; ++step) {
    TrainRecord record;
    record.step = step;
    log.train(record);
  }
}

/// A run of one step into `work`/out.
TrainOptions one_step(const test::TempDir& work) {
  test::write_payload_cache(work / "cache", {});
  TrainOptions options = test::nano_options(work / "cache", work / "out");
  test::train(options);
  options.resume = "auto";
  options.max_steps = 2;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(resume)

BOOST_AUTO_TEST_CASE(a_state_is_read_once) {
  const test::TempDir work;
  const TrainOptions options = one_step(work);
  const fs::path folder = fs::canonical(work / "out" / "state" / "step_00000001");
  // When rank 0 names the state to the others, it has read it: from then on its files may be damaged.
  int named = 0;
  const auto alone = make_single_communicator();
  Watched comm(*alone, [&](const std::string& text) {
    if (text != folder.string()) return;
    ++named;
    for (const char* part : {"parameters.safetensors", "optimizer.safetensors", "trainer.json"})
      std::ofstream(folder / part, std::ios::app) << "damage";
  });
  run_training(options, "{}", comm, 0, 1);
  BOOST_TEST(named == 1);
  BOOST_CHECK_THROW(StateStore::load(folder), Error);  // a second reading would not have gone unnoticed
  BOOST_TEST(StateStore::load(work / "out").step == 2);
}

BOOST_AUTO_TEST_CASE(a_third_sink_gets_its_position_back) {
  const test::TempDir dir;
  const fs::path file = dir / "third.log";
  std::vector<std::string> given;
  const std::vector<LazyTensor> tensors = {lazy("w", HostTensor::zeros(DType::f32, {4}))};
  test::Capture errors(2);
  {
    StateStore store(dir.path());
    store.save_frozen(tensors);
    RunLog log(dir.path(), std::nullopt, 0, 10);
    log.add(std::make_unique<ByteLog>(file, given));
    train_to(log, 1, 3);
    log.sync();
    RunNumbers state;
    state.step = state.logged_step = 3;
    state.sink_positions = log.positions();
    store.save(3, {tensors, tensors, trainer_json(state, "{}", "{}"), 3, 1.0});
    train_to(log, 4, 5);  // told, and lost with the process
  }
  BOOST_TEST(given.empty());
  const RunNumbers state = run_numbers_of(StateStore::load(dir.path()));
  const SavedLog saved{{state.step, state.logged_step, -1, 0, false}, state.sink_positions};
  {
    RunLog log(dir.path(), saved, state.step, 10);
    log.add(std::make_unique<ByteLog>(file, given));
    train_to(log, 4, 4);
  }
  BOOST_TEST(given == std::vector<std::string>{"3 at 21"}, boost::test_tools::per_element());
  BOOST_TEST(read_text(file) == "step 1\nstep 2\nstep 3\nstep 4\n");
  const std::string csv = read_text(dir / "training_log.csv");  // cut at the same place
  BOOST_TEST(csv.find("\n5,") == std::string::npos, csv);

  // A sink that the state does not know starts anew; one that cannot go on is a warning.
  RunLog fresh(dir.path(), SavedLog{saved.mark, {}}, state.step, 10);
  fresh.add(std::make_unique<ByteLog>(file, given));
  BOOST_TEST(given.back() == "3 at ");
}

BOOST_AUTO_TEST_CASE(a_sink_that_cannot_go_on_keeps_its_position_and_is_asked_again) {
  const test::TempDir dir;
  const fs::path file = dir / "third.log";
  std::vector<std::string> given;
  test::Capture errors(2);
  fs::create_directory(file);
  RunLog log(dir.path(), SavedLog{{3, 3, -1, 0, false}, {{"bytes", "7"}}}, 3, 10);
  log.add(std::make_unique<ByteLog>(file, given));
  const std::string told = errors.text();
  BOOST_TEST(told.find("a log is not written, the run goes on: ") != std::string::npos, told);
  BOOST_TEST(told.find("in the way") != std::string::npos, told);
  train_to(log, 4, 4);
  BOOST_TEST(log.positions().at("bytes") == "7");
  BOOST_TEST(given.size() == 3U);
  fs::remove(file);
  write_file(file, "step 3\nstep 4\n");
  train_to(log, 5, 5);
  BOOST_TEST(read_text(file) == "step 3\nstep 5\n");
  BOOST_TEST(log.positions().at("bytes") == "14");
  BOOST_CHECK_THROW(log.add(std::make_unique<ByteLog>(file, given)), std::logic_error);
}

BOOST_AUTO_TEST_CASE(a_position_that_no_state_can_hold_is_a_warning) {
  struct Bytes final : MetricsSink {
    std::string name() const override { return "raw"; }
    void train(const TrainRecord&) override {}
    void eval(const EvaluationRecord&) override {}
    std::string position() const override { return "\xff"; }
  };
  const test::TempDir dir;
  test::Capture errors(2);
  RunLog log(dir.path(), std::nullopt, 0, 10);
  log.add(std::make_unique<Bytes>());
  BOOST_TEST(log.positions().empty());
  BOOST_TEST(errors.text().find("a log is not written") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_position_of_a_sink_that_is_away_is_kept) {
  const test::TempDir work;
  const TrainOptions options = one_step(work);
  const fs::path folder = work / "out" / "state" / "step_00000001";
  json trainer = json::parse(read_text(folder / "trainer.json"));
  BOOST_TEST(!trainer.at("state").contains("sinks"));  // the three that every run has need none
  trainer["state"]["sinks"] = {{"elsewhere", "page 7"}};
  write_file(folder / "trainer.json", trainer.dump());
  json manifest = json::parse(read_text(folder / "manifest.json"));
  manifest["files"]["trainer.json"] = {{"bytes", fs::file_size(folder / "trainer.json")},
                                       {"sha256", sha256_file(folder / "trainer.json")}};
  write_file(folder / "manifest.json", manifest.dump());

  test::Capture errors(2);
  test::train(options);
  const SavedState last = StateStore::load(work / "out");
  BOOST_TEST(last.step == 2);
  BOOST_TEST(run_numbers_of(last).sink_positions.at("elsewhere") == "page 7");
  const std::string told = errors.text();
  const std::size_t at = told.find("'elsewhere'");
  BOOST_REQUIRE(at != std::string::npos);
  BOOST_TEST(told.find("'elsewhere'", at + 1) == std::string::npos);  // once, however many states follow
}

BOOST_AUTO_TEST_SUITE_END()
