// Nothing is printed: neither on stdout nor on stderr, whatever the API is asked for.
#include "tests/support/capture.hpp"
#include "tests/unit/api/support.hpp"

#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

using namespace anemll;
using test::golden;

namespace {

/// Log lines go to this sink, and in the end where those of tests go.
struct WithSink {
  explicit WithSink(LogSink sink) { set_log_sink(std::move(sink)); }
  ~WithSink() { log_to_stderr(); }
  WithSink(const WithSink&) = delete;
  WithSink& operator=(const WithSink&) = delete;
};

void do_everything(const test::TempDir& dir, const std::string& name) {
  Model model = test::nano();
  replace_linear_with_anemll_v2(model);
  freeze_Q_all(model);
  TrainOptions options;
  options.cache_dir = golden("nano/cache").string();
  options.output_dir = (dir / (name + "_run")).string();
  options.max_steps = 2;
  options.eval_samples = 4;
  options.threads = 1;
  train_e2e(model, options);
  load_v2_checkpoint(model, golden("nano/v2_q2a4_trained.pt").string());
  set_factored_inference_v2(model, true);
  set_batched_forward_v2(model, true);
  evaluate_kd_loss(model, golden("nano/cache"));
  convert_model_to_fp16_v2(model);
  AneSnapOptions snap;
  snap.output = (dir / (name + "_snap")).string();
  snap_model_for_ane_v2(model, snap);
  BOOST_CHECK_THROW(load_v2_checkpoint(model, "/nowhere.pt"), Error);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(api_silence)

BOOST_AUTO_TEST_CASE(nothing_is_printed_without_a_sink) {
  const test::TempDir dir;
  test::Capture out(STDOUT_FILENO), err(STDERR_FILENO);
  {
    const WithSink none(nullptr);
    do_everything(dir, "none");
  }
  BOOST_TEST(err.text() == "");
  BOOST_TEST(out.text() == "");
}

BOOST_AUTO_TEST_CASE(a_sink_gets_the_lines_and_the_streams_none) {
  const test::TempDir dir;
  std::vector<std::string> lines;
  test::Capture out(STDOUT_FILENO), err(STDERR_FILENO);
  {
    const WithSink sink([&](LogLevel, std::string_view text) { lines.emplace_back(text); });
    do_everything(dir, "sink");
  }
  BOOST_TEST(err.text() == "");
  BOOST_TEST(out.text() == "");
  const auto said = [&](const std::string& part) {
    for (const std::string& line : lines) {
      if (line.find(part) != std::string::npos) return true;
    }
    return false;
  };
  BOOST_TEST(said("scale init and freeze: 14/14 layers"));
  BOOST_TEST(said("Manually loaded 14 _Q buffers"));
}

BOOST_AUTO_TEST_SUITE_END()
