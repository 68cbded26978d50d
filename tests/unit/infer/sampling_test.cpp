// Each change of the logits against its formula, their order, and draws against probabilities.
#include "src/infer/sampling.hpp"

#include "anemll/core/error.hpp"
#include "src/core/rng.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

using Scores = std::vector<float>;
using Ids = std::vector<std::int32_t>;
constexpr float kCut = -std::numeric_limits<float>::infinity();

/// Logits of these probabilities.
Scores logits_of(const std::vector<double>& probabilities) {
  Scores scores;
  for (const double p : probabilities) scores.push_back(static_cast<float>(std::log(p)));
  return scores;
}

/// The ids that were not cut.
Ids left(const Scores& scores) {
  Ids ids;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] != kCut) ids.push_back(static_cast<std::int32_t>(i));
  }
  return ids;
}

Scores random_scores(std::size_t count, std::uint64_t stream) {
  const CounterRng rng(7, stream);
  Scores scores(count);
  for (std::size_t i = 0; i < count; ++i) scores[i] = static_cast<float>(3 * rng.normal(i));
  return scores;
}

/// Softmax over what is left, in double.
std::vector<double> probabilities(const Scores& scores) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  std::vector<double> p;
  double total = 0;
  for (const float score : scores) {
    p.push_back(std::exp(score - largest));
    total += p.back();
  }
  for (double& value : p) value /= total;
  return p;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_sampling)

BOOST_AUTO_TEST_CASE(a_repeated_token_is_penalised_once_by_its_sign) {
  Scores scores{2, -2, 0.5F, -0.5F, 0};
  penalise_repetition(scores, Ids{0, 1, 1, 0, 4}, 2);
  BOOST_TEST(scores == (Scores{1, -4, 0.5F, -0.5F, 0}), boost::test_tools::per_element());
  penalise_repetition(scores, Ids{0, 1}, 1);
  BOOST_TEST(scores == (Scores{1, -4, 0.5F, -0.5F, 0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(temperature_divides) {
  Scores scores{2, -1, 0};
  apply_temperature(scores, 0.5);
  BOOST_TEST(scores == (Scores{4, -2, 0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(top_k_keeps_equal_scores) {
  const Scores scores{1, 3, 3, 2, 0};
  const auto kept = [&](std::int64_t k) {
    Scores changed = scores;
    keep_top_k(changed, k);
    return left(changed);
  };
  BOOST_TEST(kept(1) == (Ids{1, 2}), boost::test_tools::per_element());
  BOOST_TEST(kept(2) == (Ids{1, 2}), boost::test_tools::per_element());
  BOOST_TEST(kept(3) == (Ids{1, 2, 3}), boost::test_tools::per_element());
  for (const std::int64_t all : {0, 5, 50})
    BOOST_TEST(kept(all) == (Ids{0, 1, 2, 3, 4}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(top_p_cuts_the_least_likely_that_fit_into_the_rest) {
  const Scores scores = logits_of({0.5, 0.25, 0.125, 0.125});
  const auto kept = [&](double p) {
    Scores changed = scores;
    keep_top_p(changed, p);
    return left(changed);
  };
  BOOST_TEST(kept(1) == (Ids{0, 1, 2, 3}), boost::test_tools::per_element());
  BOOST_TEST(kept(0.9) == (Ids{0, 1, 2, 3}), boost::test_tools::per_element());
  BOOST_TEST(kept(0.8) == (Ids{0, 1, 3}), boost::test_tools::per_element());  // of equal ones the first goes
  BOOST_TEST(kept(0.7) == (Ids{0, 1}), boost::test_tools::per_element());
  BOOST_TEST(kept(0.4) == (Ids{0}), boost::test_tools::per_element());
  BOOST_TEST(kept(0) == (Ids{0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_order_is_penalty_temperature_top_k_top_p) {
  SamplingOptions options;
  options.temperature = 0.7;
  options.repetition_penalty = 1.3;
  options.top_k = 12;
  options.top_p = 0.8;
  const Ids ids{3, 3, 17, 40};
  for (std::uint64_t stream = 0; stream < 20; ++stream) {
    const Scores scores = random_scores(64, stream);
    // In double, from the definitions.
    std::vector<double> expected(scores.begin(), scores.end());
    for (const std::size_t id : {3U, 17U, 40U}) expected[id] *= expected[id] < 0 ? 1.3 : 1 / 1.3;
    for (double& score : expected) score /= 0.7;
    std::vector<std::size_t> order(64);
    for (std::size_t i = 0; i < 64; ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return expected[a] > expected[b]; });
    order.resize(12);
    double total = 0;
    for (const std::size_t i : order) total += std::exp(expected[i]);
    double sum = 0;  // a token stays where those before it have less than p
    Ids stay;
    for (const std::size_t i : order) {
      if (sum < 0.8) stay.push_back(static_cast<std::int32_t>(i));
      sum += std::exp(expected[i]) / total;
    }
    std::sort(stay.begin(), stay.end());

    Scores changed = scores;
    process_scores(changed, ids, options);
    BOOST_TEST(left(changed) == stay, boost::test_tools::per_element());
    for (const std::int32_t id : stay) {
      const auto i = static_cast<std::size_t>(id);
      BOOST_TEST(std::abs(changed[i] - expected[i]) < 1e-5 * (1 + std::abs(expected[i])));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_greedy_choice_knows_the_penalty_alone) {
  SamplingOptions options;
  options.temperature = 0;
  options.repetition_penalty = 2;
  options.top_k = 1;
  Scores scores{4, 3, 1};
  Sampler sampler(options, 0);
  BOOST_TEST(sampler.next(scores, Ids{0}) == 1);
  BOOST_TEST(scores == (Scores{2, 3, 1}), boost::test_tools::per_element());
  BOOST_TEST(likeliest(Scores{1, 5, 5}) == 1);
}

BOOST_AUTO_TEST_CASE(a_draw_is_a_place_on_the_line_of_probabilities) {
  const Scores scores = logits_of({0.5, 0.25, 0.125, 0.125});
  constexpr std::array<std::pair<double, std::int32_t>, 7> kPlaces{
      {{0, 0}, {0.49, 0}, {0.51, 1}, {0.74, 1}, {0.76, 2}, {0.88, 3}, {0.999, 3}}};
  for (const auto& [uniform, id] : kPlaces) BOOST_TEST(draw(scores, uniform) == id);
  const Scores cut{kCut, 0, kCut};
  for (const double uniform : {0.0, 0.5, 0.999}) BOOST_TEST(draw(cut, uniform) == 1);
}

BOOST_AUTO_TEST_CASE(draws_have_the_probabilities_of_the_processed_logits) {
  SamplingOptions options;
  options.temperature = 1.4;
  options.top_k = 5;
  const Scores scores = random_scores(40, 99);
  Scores processed = scores;
  process_scores(processed, {}, options);
  const std::vector<double> p = probabilities(processed);
  constexpr int kDraws = 20000;
  std::vector<int> counts(scores.size());
  Sampler sampler(options, 5);
  for (int i = 0; i < kDraws; ++i) {
    Scores fresh = scores;
    ++counts[static_cast<std::size_t>(sampler.next(fresh, {}))];
  }
  double chi_square = 0;
  int kinds = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] == 0) {
      BOOST_TEST(counts[i] == 0);
      continue;
    }
    const double expected = kDraws * p[i];
    chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
    ++kinds;
  }
  BOOST_TEST(kinds == 5);
  BOOST_TEST(chi_square < 18.5);  // 0.999 of four degrees of freedom
}

BOOST_AUTO_TEST_CASE(a_seed_repeats_its_stream) {
  const auto stream = [](std::uint64_t seed) {
    Sampler sampler(SamplingOptions{}, seed);
    Ids ids;
    for (std::uint64_t i = 0; i < 40; ++i) {
      Scores scores = random_scores(100, i);
      ids.push_back(sampler.next(scores, ids));
    }
    return ids;
  };
  const Ids first = stream(1), again = stream(1), other = stream(2);
  BOOST_TEST(first == again, boost::test_tools::per_element());
  BOOST_CHECK(first != other);
}

BOOST_AUTO_TEST_CASE(logits_that_are_no_numbers_are_refused) {
  for (const double temperature : {0.0, 1.0}) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      SamplingOptions options;
      options.temperature = temperature;
      Scores scores{1, bad, 2};
      Sampler sampler(options, 0);
      BOOST_CHECK_EXCEPTION(sampler.next(scores, {}), Error,
                            [](const Error& e) { return e.code() == ExitCode::numerics; });
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
