// Whole solves: the order of the methods, what every result must be, and that ranks and threads change no
// bit.
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/kernels/parallel.hpp"
#include "src/quant/positive_scales.hpp"
#include "src/quant/ste.hpp"
#include "tests/unit/solve/support.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

// Errors by float products against doubles.
constexpr double kFloatSums = 1e-4;

SolvedLinear solve(const at::Tensor& weight, const LinearQuant& quant, const at::Tensor& second,
                   const SolveOptions& options, const at::Tensor& row_weight = {}) {
  const auto comm = make_single_communicator();
  if (!second.defined()) return solve_linear(weight, quant, nullptr, row_weight, options, *comm);
  const SolveMoments moments = moments_of(second);
  return solve_linear(weight, quant, &moments, row_weight, options, *comm);
}

SolveOptions by(StartMethod method) {
  SolveOptions options;
  options.method = method;
  return options;
}

/// The lowest scale as a layer multiplies floats, and as an export's readers multiply halves.
double lowest_scale(const SolvedLinear& solved) {
  const auto& t = solved.draft.tensors;
  const at::Tensor a = t.at(".scale_A").div(t.at(".scale_A").norm(2, {0}, true));
  const at::Tensor b = t.at(".scale_B").div(t.at(".scale_B").norm(2, {1}, true));
  const at::Tensor scaled = a.mul(t.at(".rank_magnitude").add(1e-6));
  const at::Tensor halves = round_half(scaled).mm(round_half(b));
  return std::min(scaled.mm(b).min().item<double>(), halves.min().item<double>());
}

void check_sound(const SolvedLinear& solved, const std::string& what) {
  for (const auto& [suffix, tensor] : solved.draft.tensors)
    BOOST_TEST(tensor.isfinite().all().item<bool>(), what << ": " << suffix);
  BOOST_TEST(lowest_scale(solved) >= kSmallestPositiveScale, what);
  const at::Tensor lut = solved.draft.tensors.at(".lut");
  BOOST_TEST(lut.diff().min().item<float>() > 0.0F, what);
  BOOST_TEST(lut.abs().max().item<float>() == 1.0F, what);
  BOOST_TEST(lut.equal(round_half(lut)), what);
  const at::Tensor g = solved.draft.tensors.at(".rank_magnitude");
  BOOST_TEST(g.equal(round_half(g)), what);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(solves)

BOOST_AUTO_TEST_CASE(each_method_is_better_than_the_one_before) {
  const at::Tensor weight = at::randn({200, 96}).mul_(at::rand({200, 1}).add_(0.3)).mul_(0.2);
  const at::Tensor second = second_moments(inputs(400, 96));
  for (const LinearQuant& quant : {quant_of(4, 4), quant_of(8, 2), quant_of(16, 2)}) {
    double before = INFINITY;
    for (const auto& method : kStartMethods) {
      const SolvedLinear solved = solve(weight, quant, second, by(method.value));
      const double plain = error_of(weight.to(at::kDouble).sub(weight_of(solved, quant)), second);
      BOOST_TEST(std::abs(solved.squared_error / plain - 1) < kFloatSums, method.name);
      BOOST_TEST(std::abs(solved.squared_output / error_of(weight.to(at::kDouble), second) - 1) < kFloatSums);
      BOOST_TEST(plain < before, method.name << " with " << quant.describe());
      if (method.value != StartMethod::svd) check_sound(solved, std::string(method.name));
      before = plain;
    }
  }
}

BOOST_AUTO_TEST_CASE(the_best_of_the_rounds_is_kept) {
  const at::Tensor weight = at::randn({100, 64});
  const SolvedLinear solved =
      solve(weight, quant_of(4, 2), second_moments(inputs(200, 64)), by(StartMethod::cd));
  BOOST_TEST(solved.history.size() == 5U);
  BOOST_TEST(solved.squared_error == *std::min_element(solved.history.begin(), solved.history.end()));
}

BOOST_AUTO_TEST_CASE(each_step_of_a_round_lowers_the_error) {
  const at::Tensor weight = at::randn({200, 96}).mul_(at::rand({200, 1}).add_(0.3)).mul_(0.2);
  const at::Tensor second = second_moments(inputs(400, 96));
  const SolveOptions whole = by(StartMethod::cd);
  const double least = solve(weight, quant_of(4, 4), second, whole).squared_error;
  const SolvedLinear before = solve(weight, quant_of(4, 4), second, by(StartMethod::gptq));
  const double feedback = before.squared_error;
  const at::Tensor even = before.draft.tensors.at(".lut");  // no step before the rounds changes it
  for (bool SolveOptions::*step : {&SolveOptions::descend, &SolveOptions::fit_b, &SolveOptions::fit_lut}) {
    SolveOptions without = whole;
    without.*step = false;
    const SolvedLinear solved = solve(weight, quant_of(4, 4), second, without);
    BOOST_TEST(solved.squared_error > least);
    BOOST_TEST(solved.squared_error < feedback);
    BOOST_TEST(solved.draft.tensors.at(".lut").equal(even) == !without.fit_lut);
    check_sound(solved, "a step less");
  }
}

BOOST_AUTO_TEST_CASE(svd_is_the_start_of_the_layer_type) {
  const at::Tensor weight = at::randn({40, 48});
  const LinearQuant quant = quant_of(4, 3);
  const LayerDraft expected = layer_type("v2").start(weight, quant, {});
  for (const at::Tensor& second : {at::Tensor(), second_moments(inputs(90, 48))}) {
    const SolvedLinear solved = solve(weight, quant, second, by(StartMethod::svd));
    for (const auto& [suffix, tensor] : expected.tensors) {
      BOOST_TEST(solved.draft.tensors.at(suffix).equal(tensor), suffix);
    }
  }
}

BOOST_AUTO_TEST_CASE(als_needs_no_moments_and_lowers_the_error_of_the_weight) {
  const at::Tensor weight = at::randn({120, 64});
  const LinearQuant quant = quant_of(4, 4);
  const auto error = [&](StartMethod method) {
    return weight.to(at::kDouble)
        .sub(weight_of(solve(weight, quant, {}, by(method)), quant))
        .norm()
        .item<double>();
  };
  BOOST_TEST(error(StartMethod::als) < 0.8 * error(StartMethod::svd));
}

BOOST_AUTO_TEST_CASE(ranks_and_threads_change_no_bit) {
  // Three units and part of a fourth.
  const at::Tensor weight = at::randn({330, 80});
  const LinearQuant quant = quant_of(4, 3);
  const at::Tensor second = second_moments(inputs(200, 80));
  const at::Tensor row_weight = at::rand({330}, at::kDouble);
  SolveOptions options = by(StartMethod::cd);
  options.rounds = 2;
  const int threads = at::get_num_threads();
  kernels::set_threads(1, kernels::Cores::quiet);
  const SolvedLinear expected = solve(weight, quant, second, options, row_weight);
  const auto same = [&](const SolvedLinear& solved) {
    bool equal = solved.history == expected.history;
    for (const auto& [suffix, tensor] : expected.draft.tensors)
      equal = equal && solved.draft.tensors.at(suffix).equal(tensor);
    return equal;
  };
  kernels::set_threads(2, kernels::Cores::quiet);
  BOOST_TEST(same(solve(weight, quant, second, options, row_weight)));
  kernels::set_threads(1, kernels::Cores::quiet);
  for (const int ranks : {2, 3, 4, 6}) {
    std::vector<int> equal(static_cast<std::size_t>(ranks));
    run_local_ranks(ranks, [&](Communicator& comm) {
      const SolveMoments moments = moments_of(second);
      equal[static_cast<std::size_t>(comm.rank())] =
          same(solve_linear(weight, quant, &moments, row_weight, options, comm)) ? 1 : 0;
    });
    for (const int rank : equal) BOOST_TEST(rank == 1, ranks << " ranks");
  }
  kernels::set_threads(threads, kernels::Cores::quiet);
}

BOOST_AUTO_TEST_CASE(columns_that_were_never_seen_and_rows_of_zeros) {
  at::Tensor weight = at::randn({110, 64}).mul_(0.1);
  weight.narrow(0, 3, 2).zero_();
  weight.select(0, 109).zero_();
  at::Tensor x = inputs(40, 64);  // fewer rows than inputs: H is singular
  x.narrow(1, 10, 5).zero_();
  const at::Tensor second = second_moments(x);
  for (const auto& method : kStartMethods) {
    if (method.value == StartMethod::svd) continue;
    const LinearQuant quant = quant_of(4, 4);
    const SolvedLinear solved = solve(weight, quant, second, by(method.value));
    check_sound(solved, std::string(method.name));
    const at::Tensor made = weight_of(solved, quant);
    // A row of zeros: at most the least scales that are allowed, of a row whose mean is nothing.
    BOOST_TEST(made.narrow(0, 3, 2).abs().max().item<double>() < 1e-4, method.name);
    // What was never seen is still near: nearer than zero.
    const at::Tensor unseen = weight.narrow(1, 10, 5).to(at::kDouble);
    BOOST_TEST(unseen.sub(made.narrow(1, 10, 5)).norm().item<double>() < 0.7 * unseen.norm().item<double>(),
               method.name);
  }
}

BOOST_AUTO_TEST_CASE(nothing_at_all_is_no_error) {
  const SolvedLinear of_zero =
      solve(at::zeros({20, 32}), quant_of(4, 2), second_moments(inputs(64, 32)), by(StartMethod::cd));
  check_sound(of_zero, "weight of zeros");
  const SolvedLinear unseen =
      solve(at::randn({20, 32}), quant_of(4, 2), at::zeros({32, 32}, at::kDouble), by(StartMethod::cd));
  check_sound(unseen, "moments of zeros");
  BOOST_TEST(unseen.squared_error == 0.0);
}

BOOST_AUTO_TEST_CASE(scales_that_would_be_negative_are_positive) {
  // Rows that fall and rise against each other: two ranks fit them with scales under zero in places.
  const at::Tensor slope = at::linspace(-1, 1, 64).unsqueeze(0).mul(at::randn({100, 1}).mul_(3)).exp_();
  const at::Tensor weight = at::randn({100, 64}).mul_(slope);
  const at::Tensor second = second_moments(inputs(200, 64));
  const SolvedLinear svd = solve(weight, quant_of(4, 2, 4), second, by(StartMethod::svd));
  BOOST_TEST(lowest_scale(svd) < 0.0);  // or this test shows nothing
  for (const StartMethod method :
       {StartMethod::als, StartMethod::als_act, StartMethod::gptq, StartMethod::cd})
    check_sound(solve(weight, quant_of(4, 2, 4), second, by(method)), choice_name(method));
}

BOOST_AUTO_TEST_CASE(weights_of_any_size_stay_in_the_range_of_halves) {
  const at::Tensor weight = at::randn({100, 64});
  const at::Tensor second = second_moments(inputs(200, 64));
  const LinearQuant quant = quant_of(4, 2);
  for (const double scale : {1e-4, 1.0, 1e2}) {
    const at::Tensor scaled = weight.mul(scale);
    // The moments' own scale does not matter either.
    const SolvedLinear solved = solve(scaled, quant, second.mul(1e6), by(StartMethod::cd));
    check_sound(solved, strf("%g", scale));
    BOOST_TEST(solved.squared_error < 0.1 * solved.squared_output, scale);
  }
  const auto beyond = [](const Error& error) {
    return error.code() == ExitCode::numerics &&
           error.problem().find("beyond the largest half") != std::string::npos;
  };
  BOOST_CHECK_EXCEPTION(solve(weight.mul(1e4), quant, second, by(StartMethod::als_act)), Error, beyond);
}

BOOST_AUTO_TEST_CASE(a_corrected_target_is_nearer_to_the_teachers_output) {
  const at::Tensor weight = at::randn({100, 48});
  const at::Tensor clean = inputs(300, 48);
  const at::Tensor seen = clean.add(at::randn({300, 48}, at::kDouble).mul_(0.3).mul_(clean.std()));
  const at::Tensor cross = clean.sub(seen).t().mm(seen).div_(300);
  const LinearQuant quant = quant_of(16, 2);
  const auto comm = make_single_communicator();
  const auto error = [&](double correction) {
    const SolveMoments moments(second_moments(seen), cross, {.correction = correction}, "test");
    const SolvedLinear solved = solve_linear(weight, quant, &moments, {}, by(StartMethod::cd), *comm);
    const at::Tensor wanted = clean.mm(weight.to(at::kDouble).t());
    return wanted.sub(seen.mm(weight_of(solved, quant).t())).square().sum().item<double>();
  };
  const double none = error(0), half = error(0.5), whole = error(1);
  BOOST_TEST(half < 0.9 * none);
  BOOST_TEST(whole < half);
}

// The output is to make up for something that the inputs tell of, as the stream of a block does.
BOOST_AUTO_TEST_CASE(a_target_is_corrected_by_what_its_output_lacks) {
  const at::Tensor weight = at::randn({100, 48});
  const at::Tensor seen = inputs(300, 48);
  const at::Tensor lacks = seen.mm(at::randn({48, 100}, at::kDouble)).mul_(0.3);
  const at::Tensor cross = lacks.t().mm(seen).div_(300);
  const LinearQuant quant = quant_of(16, 2);
  const auto comm = make_single_communicator();
  const auto error = [&](double correction) {
    const SolveMoments moments(second_moments(seen), cross, {.correction = correction}, "test",
                               CrossOf::outputs);
    const SolvedLinear solved = solve_linear(weight, quant, &moments, {}, by(StartMethod::cd), *comm);
    const at::Tensor wanted = seen.mm(weight.to(at::kDouble).t()).add(lacks);
    return wanted.sub(seen.mm(weight_of(solved, quant).t())).square().sum().item<double>();
  };
  const double none = error(0), half = error(0.5), whole = error(1);
  BOOST_TEST(half < 0.5 * none);
  BOOST_TEST(whole < 0.5 * half);
}

BOOST_AUTO_TEST_CASE(scales_lie_where_the_projection_puts_them) {
  const at::Tensor weight = at::randn({150, 64});
  const auto on_grid = [](const at::Tensor& x, std::int64_t dim) {
    const at::Tensor step = x.abs().amax(dim, true).div(127);
    return x.div(step).round().mul(step);
  };
  SolveOptions options = by(StartMethod::cd);
  options.project = [&](at::Tensor& a, at::Tensor&, at::Tensor& b) {
    a.copy_(on_grid(a, 0));
    b.copy_(on_grid(b, 1));
  };
  const LinearQuant quant = quant_of(4, 4);
  const at::Tensor second = second_moments(inputs(200, 64));
  const SolvedLinear solved = solve(weight, quant, second, options);
  check_sound(solved, "projected");
  const at::Tensor a = solved.draft.tensors.at(".scale_A");
  BOOST_TEST(a.sub(on_grid(a, 0)).abs().max().item<double>() < 1e-6);
  const SolvedLinear free = solve(weight, quant, second, by(StartMethod::cd));
  BOOST_TEST(solved.squared_error < 1.1 * free.squared_error);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_together_is_told) {
  const at::Tensor weight = at::randn({8, 16});
  const at::Tensor second = second_moments(inputs(40, 16));
  const auto says = [](ExitCode code, const char* text) {
    return [=](const Error& error) {
      return error.code() == code && error.problem().find(text) != std::string::npos;
    };
  };
  BOOST_CHECK_EXCEPTION(solve(weight, quant_of(4, 2), {}, by(StartMethod::cd)), Error,
                        says(ExitCode::usage, "needs the moments"));
  BOOST_CHECK_EXCEPTION(solve(weight, quant_of(4, 2), second.diagonal(), by(StartMethod::gptq)), Error,
                        says(ExitCode::usage, "only their diagonal"));
  BOOST_CHECK_EXCEPTION(solve(at::randn({8, 12}), quant_of(4, 2), second, by(StartMethod::cd)), Error,
                        says(ExitCode::data, "of 16 inputs"));
  BOOST_CHECK_EXCEPTION(solve(weight.div(0), quant_of(4, 2), second, by(StartMethod::als)), Error,
                        says(ExitCode::numerics, "weight is not a number"));
  BOOST_CHECK_EXCEPTION(moments_of(second.neg()), Error, says(ExitCode::numerics, "negative"));
  BOOST_CHECK_EXCEPTION(moments_of(second.mul(NAN)), Error, says(ExitCode::numerics, "not a number"));
  LinearQuant absolute = quant_of(4, 2);
  absolute.force_positive_scales = true;
  BOOST_CHECK_EXCEPTION(solve(weight, absolute, second, by(StartMethod::cd)), Error,
                        says(ExitCode::usage, "absolute values"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
