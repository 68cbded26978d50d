// A whole start of the nano model: better than the plain one, the same bytes on any number of ranks and after
// any stop, no scale that a consumer would clamp.
#include "src/start/start.hpp"

#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/quant/positive_scales.hpp"
#include "src/start/start_report.hpp"
#include "tests/unit/start/nano_start.hpp"

#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;
namespace fs = std::filesystem;

namespace {

MadeStart start(const StartOptions& options, const StartText& text = nano_text()) {
  const auto comm = make_single_communicator();
  return make_start(nano(), nano_spec(), text, options, at::kCPU, *comm);
}

StartOptions kept_in(const TempDir& dir) {
  StartOptions options = nano_options(StartMethod::cd);
  options.blocks = dir.path();
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(whole_start)

BOOST_AUTO_TEST_CASE(what_is_made_is_compared_with_the_plain_start_and_the_better_is_kept) {
  const MadeStart made = start(nano_options(StartMethod::cd));
  BOOST_TEST_REQUIRE(made.compared.size() == 2U);
  BOOST_TEST(made.compared[0].name == "cd");
  BOOST_TEST(made.compared[1].name == "svd");
  BOOST_TEST(made.compared[0].divergence.positions == 45);
  BOOST_TEST(made.compared[0].divergence.mean < made.compared[1].divergence.mean);
  BOOST_TEST(made.kept == "cd");
  BOOST_TEST_REQUIRE(made.blocks.size() == 2U);
  for (const BlockReport& block : made.blocks) {
    BOOST_TEST_REQUIRE(block.linears.size() == kLayerLinears);
    for (const double error : block.linears) BOOST_TEST((error > 0 && error < 1));
    BOOST_TEST((block.stream > 0 && block.stream < 1));
  }
  const std::string report = start_report(made, nano_spec(), "this").dump();
  BOOST_TEST(is_report_of(report, "this"));
  BOOST_TEST(!is_report_of(report, "that"));
}

BOOST_AUTO_TEST_CASE(the_least_divergence_wins_and_what_is_no_number_never_does) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto best = [](std::initializer_list<double> means) {
    std::vector<ScoredStart> starts;
    for (const double mean : means) {
      starts.push_back({"start", {}});
      starts.back().divergence.mean = mean;
    }
    return best_start(starts);
  };
  BOOST_TEST(best({0.3, 7.0}) == 0U);
  BOOST_TEST(best({7.5, 7.0}) == 1U);
  BOOST_TEST(best({7.0, 7.0}) == 0U);
  BOOST_TEST(best({nan, 7.0}) == 1U);
  BOOST_TEST(best({7.0, nan}) == 0U);
  BOOST_TEST(best({nan, nan}) == 0U);
}

BOOST_AUTO_TEST_CASE(no_scale_is_one_that_consumers_clamp) {
  const MadeStart made = start(nano_options(StartMethod::cd));
  for (const QuantLayer* layer : made.student.layers()) {
    for (const bool half : {false, true}) {
      PositiveFit fit;
      BOOST_TEST(layer->positive({}, half, fit) == nullptr, layer->name());
      BOOST_TEST(fit.below == 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(ranks_of_threads_make_the_same_bytes) {
  const std::string alone = bytes_of(start(nano_options(StartMethod::cd)).student);
  for (const int ranks : {2, 3}) {
    run_local_ranks(ranks, [&](Communicator& comm) {
      const MadeStart made =
          make_start(nano(), nano_spec(), nano_text(), nano_options(StartMethod::cd), at::kCPU, comm);
      if (bytes_of(made.student) != alone) throw_data("differs", std::to_string(comm.rank()), "");
    });
  }
}

BOOST_AUTO_TEST_CASE(blocks_that_were_kept_are_used_and_a_damaged_one_is_made_again) {
  const TempDir dir;
  const std::string whole = bytes_of(start(kept_in(dir)).student);
  BOOST_TEST_REQUIRE(fs::exists(dir / "block_0000.safetensors"));
  const fs::path second = dir / "block_0001.safetensors";
  const auto made_at = fs::last_write_time(dir / "block_0000.safetensors");

  fs::remove(second);
  const MadeStart again = start(kept_in(dir));
  BOOST_TEST((bytes_of(again.student) == whole));
  BOOST_TEST(std::isfinite(again.blocks[0].linears[0]));
  BOOST_TEST((fs::last_write_time(dir / "block_0000.safetensors") == made_at));

  fs::resize_file(second, fs::file_size(second) / 2);
  BOOST_TEST((bytes_of(start(kept_in(dir)).student) == whole));

  // Of another text: nothing of it is used.
  StartText other = nano_text();
  other.ids = made_up_ids(10, 16, 900);
  BOOST_TEST((bytes_of(start(kept_in(dir), other).student) != whole));
  BOOST_TEST((bytes_of(start(kept_in(dir)).student) == whole));
}

BOOST_AUTO_TEST_CASE(targets_that_are_corrected_and_weights_change_what_is_made) {
  const MadeStart corrected = start(nano_options(StartMethod::gptq));
  StartOptions options = nano_options(StartMethod::gptq);
  options.correct_targets = false;
  const MadeStart without = start(options);
  const std::string plain = bytes_of(without.student);
  BOOST_TEST((bytes_of(corrected.student) != plain));
  BOOST_TEST(corrected.blocks.back().stream < 0.9 * without.blocks.back().stream);
  StartOptions even = options;
  even.token_weight = TokenWeight::none;
  BOOST_TEST((bytes_of(start(even).student) != plain));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_made_is_refused) {
  const auto comm = make_single_communicator();
  const auto refused = [&](const QuantSpec& spec, const StartText& text, const std::string& part) {
    try {
      make_start(nano(), spec, text, nano_options(StartMethod::cd), at::kCPU, *comm);
    } catch (const Error& error) {
      BOOST_TEST((error.code() == ExitCode::usage));
      BOOST_TEST(std::string(error.what()).find(part) != std::string::npos, error.what());
      return;
    }
    BOOST_ERROR("was not refused: " + part);
  };
  QuantSpec positive = nano_spec();
  for (QuantSpec::Entry& entry : positive.entries()) entry.quant.force_positive_scales = true;
  refused(positive, nano_text(), "--positive-scales");
  QuantSpec mixed = nano_spec();
  mixed.entries()[3].quant = float_linear();
  refused(mixed, nano_text(), "float");
  refused(nano_spec(), {}, "needs a text");
}

BOOST_AUTO_TEST_SUITE_END()
