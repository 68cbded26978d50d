// Which positions of a text count, by hand and by the counts of the reference's scripts.
#include "src/score/windows.hpp"

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

/// 0, 1, 2, ...: an id is its place.
std::vector<std::int32_t> places(std::size_t count) {
  std::vector<std::int32_t> ids(count);
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

std::vector<ScoreWindow> cut(std::size_t tokens, WindowKind kind, std::int64_t context,
                             std::int64_t stride = 0) {
  return cut_windows(places(tokens), {kind, context, stride});
}

/// Places of the tokens whose likelihood counts.
std::vector<std::int32_t> predicted(const std::vector<ScoreWindow>& windows) {
  std::vector<std::int32_t> all;
  for (const ScoreWindow& window : windows) {
    for (std::int64_t i = 0; i < window.scored; ++i)
      all.push_back(window.ids[static_cast<std::size_t>(window.first + i + 1)]);
  }
  return all;
}

using Places = std::vector<std::int32_t>;

}  // namespace

BOOST_AUTO_TEST_SUITE(score_windows)

BOOST_AUTO_TEST_CASE(halves_count_the_second_half) {
  const auto windows = cut(20, WindowKind::halves, 8);
  BOOST_TEST(windows.size() == 2u);  // four tokens are left over
  BOOST_TEST((predicted(windows) == Places{5, 6, 7, 13, 14, 15}));
  BOOST_TEST((windows[1].ids.front() == 8 && windows[1].ids.size() == 8u && windows[1].mask.empty()));
  BOOST_TEST((predicted(cut(7, WindowKind::halves, 7)) == Places{4, 5, 6}));
}

BOOST_AUTO_TEST_CASE(batches_count_all_but_the_first) {
  BOOST_TEST((predicted(cut(9, WindowKind::batched, 4)) == Places{1, 2, 3, 5, 6, 7}));
}

BOOST_AUTO_TEST_CASE(a_sliding_window_counts_every_token_once) {
  const auto windows = cut(11, WindowKind::sliding, 4, 2);
  Places wanted = places(11);
  wanted.erase(wanted.begin());
  BOOST_TEST((predicted(windows) == wanted));
  BOOST_TEST((windows[0].ids == Places{0, 1}));
  BOOST_TEST((windows[1].ids == Places{0, 1, 2, 3}));
  BOOST_TEST((windows[2].ids == Places{2, 3, 4, 5}));
  BOOST_TEST((windows[5].ids == Places{8, 9, 10}));  // the end of the text
  // Half of the context is the stride that nobody named.
  BOOST_TEST(cut(11, WindowKind::sliding, 4).size() == windows.size());
}

// Numbers of tokens that the reference's measure_perplexity scored of a text of 19042.
BOOST_AUTO_TEST_CASE(as_many_as_the_reference_scores) {
  BOOST_TEST(predicted(cut(19042, WindowKind::sliding, 256, 128)).size() == 19041u);
  BOOST_TEST(predicted(cut(19042, WindowKind::sliding, 128, 128)).size() == 18893u);
  BOOST_TEST(predicted(cut(4977, WindowKind::batched, 256)).size() == 4845u);
  BOOST_TEST(predicted(cut(512 * 20, WindowKind::halves, 512)).size() == 20u * 255u);
}

BOOST_AUTO_TEST_CASE(a_short_text_is_one_shorter_window) {
  BOOST_TEST((predicted(cut(5, WindowKind::halves, 8)) == Places{3, 4}));
  BOOST_TEST((predicted(cut(3, WindowKind::batched, 8)) == Places{1, 2}));
  BOOST_TEST((predicted(cut(3, WindowKind::sliding, 8)) == Places{1, 2}));
  for (const WindowKind kind : {WindowKind::halves, WindowKind::sliding, WindowKind::batched}) {
    BOOST_TEST(cut(0, kind, 8).empty());
    BOOST_TEST(cut(1, kind, 8).empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()
