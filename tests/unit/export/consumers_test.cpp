// The consumers' different products on numbers that can be checked by hand, and on a snapped model.
#include "src/export/consumers.hpp"

#include "anemll/core/error.hpp"
#include "tests/unit/export/support.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/index.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

// fp32 products of a few terms.
constexpr double kFloatTolerance = 1e-6;

HostTensor host(std::vector<std::int64_t> shape, const std::vector<float>& values) {
  at::Tensor t = at::empty(shape, at::kFloat);
  std::copy(values.begin(), values.end(), t.data_ptr<float>());
  return as_host(t);
}

/// One linear of 1 x 2 with rank 2: A = (1, -2), g = (2, 1), B = ((3, 1), (1, 2)), so A diag(g) B = (4, -2).
TensorMap small_file() {
  TensorMap file;
  file.set("l.weight", host({1, 2}, {0.5F, 0.25F}));
  file.set("l._Q", host({1, 2}, {1.0F, -1.0F}));
  file.set("l.scale_A", host({1, 2}, {1.0F, -2.0F}));
  file.set("l.scale_B", host({2, 2}, {3.0F, 1.0F, 1.0F, 2.0F}));
  file.set("l.rank_magnitude", host({2}, {2.0F, 1.0F}));
  return file;
}

void check_weight(Consumer consumer, float first, float second) {
  const at::Tensor w = effective_weight(read_snapped_layer(small_file(), "l"), consumer);
  BOOST_TEST_CONTEXT(name_of(consumer)) {
    BOOST_CHECK_SMALL(static_cast<double>(w[0][0].item<float>() - first), kFloatTolerance);
    BOOST_CHECK_SMALL(static_cast<double>(w[0][1].item<float>() - second), kFloatTolerance);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(Consumers)

BOOST_AUTO_TEST_CASE(each_multiplies_in_its_own_way) {
  check_weight(Consumer::raw, 4.0F, 2.0F);
  check_weight(Consumer::abs, 8.0F, -6.0F);  // |A| g |B| = (6 + 2, 2 + 4)
  check_weight(Consumer::clamp, 4.0F, -1e-8F);
  check_weight(Consumer::weight, 0.5F, 0.25e-8F);  // A B = (1, -3), g ignored
  check_weight(Consumer::factored, 0.5F, -0.75F);
  check_weight(Consumer::conv, 0.5F, 0.25e-8F);  // without .lut as weight
}

// Its class keeps indices that are never set where .lut is given.
BOOST_AUTO_TEST_CASE(load_anemll_weights_takes_the_first_entry_where_there_is_a_table) {
  TensorMap file = small_file();
  file.set("l.lut", host({2}, {-1.0F, 1.0F}));
  const at::Tensor w = effective_weight(read_snapped_layer(file, "l"), Consumer::conv);
  BOOST_TEST(w[0][0].item<float>() == -1.0F);
  BOOST_CHECK_SMALL(static_cast<double>(w[0][1].item<float>()) + 1e-8, 1e-12);
}

BOOST_AUTO_TEST_CASE(the_reference_normalises_unless_baked) {
  // Columns of A have norms 1 and 2, rows of B sqrt(10) and sqrt(5).
  check_weight(Consumer::reference, static_cast<float>(6 / std::sqrt(10.0) - 1 / std::sqrt(5.0)),
               static_cast<float>(-(2 / std::sqrt(10.0) - 2 / std::sqrt(5.0))));
  TensorMap file = small_file();
  file.set("l._scales_baked_flag", host({}, {1.0F}));
  const at::Tensor w = effective_weight(read_snapped_layer(file, "l"), Consumer::reference);
  BOOST_TEST(w.equal(effective_weight(read_snapped_layer(file, "l"), Consumer::raw)));
}

BOOST_AUTO_TEST_CASE(facts_count_negative_scales_and_values) {
  const ScaleFacts facts = scale_facts(read_snapped_layer(small_file(), "l"));
  BOOST_TEST(facts.entries == 2);
  BOOST_TEST(facts.negative == 1);
  BOOST_TEST(facts.below == 1);
  BOOST_TEST(!facts.has_lut);
  BOOST_TEST(facts.distinct == 2);
  BOOST_TEST(!facts.weight_is_q);
  BOOST_TEST(facts.largest == 3.0);
}

BOOST_AUTO_TEST_CASE(missing_and_misshapen_keys_are_named) {
  TensorMap missing = small_file();
  missing.erase("l.scale_B");
  BOOST_CHECK_EXCEPTION(read_snapped_layer(missing, "l"), Error, [](const Error& e) {
    return e.code() == ExitCode::data && e.where() == "l.scale_B";
  });
  TensorMap misshapen = small_file();
  misshapen.set("l.rank_magnitude", host({3}, {1, 1, 1}));
  BOOST_CHECK_EXCEPTION(read_snapped_layer(misshapen, "l"), Error, [](const Error& e) {
    return e.code() == ExitCode::data && e.where() == "l.rank_magnitude";
  });
}

BOOST_AUTO_TEST_CASE(a_linear_computes_with_the_consumers_weight) {
  const TensorMap file = small_file();
  ConsumerLinear linear(file, "l", Consumer::raw, at::kCPU);
  const at::Tensor x = at::randn({3, 2});
  const at::Tensor expected = at::linear(x, effective_weight(read_snapped_layer(file, "l"), Consumer::raw));
  BOOST_TEST(linear.forward(x).equal(expected));
}

BOOST_AUTO_TEST_CASE(only_the_universal_layout_is_the_same_raw_and_normalised) {
  const test::Nano nano;
  const test::TempDir temp;
  CastCounts counts;
  const TensorMap universal = nano.snap({AneLayout::universal, true}, counts, temp / "u.pt");
  const TensorMap reference = nano.snap({AneLayout::reference, true}, counts, temp / "r.pt");
  for (const auto& linear : nano.linears) {
    const std::string& name = linear->name();
    const auto u = read_snapped_layer(universal, name);
    BOOST_TEST(effective_weight(u, Consumer::raw).equal(effective_weight(u, Consumer::reference)), name);
    BOOST_TEST(effective_weight(u, Consumer::clamp).equal(effective_weight(u, Consumer::weight)), name);
    // What the shortcut of the verification rests on.
    BOOST_CHECK(same_reading(Consumer::weight, scale_facts(u)) == Consumer::clamp);
    BOOST_CHECK(same_reading(Consumer::reference, scale_facts(u)) == Consumer::raw);
    BOOST_CHECK(same_reading(Consumer::abs, scale_facts(u)) == Consumer::abs);
    BOOST_CHECK(same_reading(Consumer::factored, scale_facts(u)) == Consumer::raw);
    BOOST_TEST(effective_weight(u, Consumer::factored).equal(effective_weight(u, Consumer::raw)), name);
    BOOST_CHECK(same_reading(Consumer::conv, scale_facts(u)) == Consumer::conv);
    // Training grew the factors, so the reference's raw product is another model.
    const auto r = read_snapped_layer(reference, name);
    for (const Consumer c : kConsumers) BOOST_CHECK(same_reading(c, scale_facts(r)) == c);
    BOOST_TEST(!effective_weight(r, Consumer::raw).equal(effective_weight(r, Consumer::reference)), name);
  }
}

BOOST_AUTO_TEST_CASE(without_lut_the_file_means_the_same_to_all_and_load_anemll_weights_reads_it) {
  const test::Nano nano;
  const test::TempDir temp;
  CastCounts counts;
  const TensorMap universal = nano.snap({AneLayout::universal, true}, counts, temp / "u.pt");
  const TensorMap without = nano.snap({AneLayout::no_lut, true}, counts, temp / "n.pt");
  for (const auto& linear : nano.linears) {
    const std::string& name = linear->name();
    BOOST_TEST(!without.contains(name + ".lut"));
    const SnappedLayer u = read_snapped_layer(universal, name), n = read_snapped_layer(without, name);
    for (const Consumer c : kConsumers) {
      if (c != Consumer::conv) BOOST_TEST(effective_weight(n, c).equal(effective_weight(u, c)), name);
    }
    BOOST_TEST(effective_weight(n, Consumer::conv).equal(effective_weight(u, Consumer::clamp)), name);
    BOOST_CHECK(same_reading(Consumer::conv, scale_facts(n)) == Consumer::clamp);
    // With the table it is nothing like the model.
    const at::Tensor raw = effective_weight(u, Consumer::raw);
    const at::Tensor off = effective_weight(u, Consumer::conv).sub(raw);
    BOOST_TEST(off.norm().item<double>() > raw.norm().item<double>());
  }
  // Our own reader takes the values of _Q for the table.
  const test::Nano again(without);
  for (const auto& linear : again.linears) {
    const at::Tensor lut = test::slot_of(*linear, ".lut");
    const at::Tensor values = lut.index({test::slot_of(*linear, "._indices").to(at::kLong)});
    BOOST_TEST(values.equal(read_snapped_layer(without, linear->name()).Q), linear->name());
  }
}

BOOST_AUTO_TEST_CASE(positive_scales_are_read_alike_by_those_that_clamp) {
  test::Nano nano;
  const test::TempDir temp;
  CastCounts counts;
  std::int64_t fitted = 0;
  for (auto& linear : nano.linears) {
    PositiveFit fit;
    if (auto positive = linear->positive({}, /*half=*/true, fit)) {
      linear = std::move(positive);
      ++fitted;
      BOOST_TEST(fit.below > 0);
    }
  }
  BOOST_TEST(fitted > 0);
  const TensorMap written = nano.snap({AneLayout::no_lut, true}, counts, temp / "p.pt");
  for (const auto& linear : nano.linears) {
    const SnappedLayer layer = read_snapped_layer(written, linear->name());
    BOOST_TEST(scale_facts(layer).below == 0, linear->name());
    const at::Tensor raw = effective_weight(layer, Consumer::raw);
    for (const Consumer c : {Consumer::clamp, Consumer::weight, Consumer::conv, Consumer::factored})
      BOOST_TEST(effective_weight(layer, c).equal(raw), linear->name() << " " << name_of(c));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
