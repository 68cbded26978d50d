// What shared cores change: who does the work, never the bits. Loops and products in pieces against equal
// shares, errors out of a piece, nesting, and that another program's work is noticed.
#include "src/kernels/functions.hpp"
#include "src/kernels/internal/piece_pool.hpp"
#include "src/kernels/parallel.hpp"
#include "src/kernels/product.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn.h>
#include <boost/test/unit_test.hpp>

namespace {

using anemll::kernels::Cores;

/// Threads and cores as told, for one test.
class With {
 public:
  With(int threads, Cores cores) { anemll::kernels::set_threads(threads, cores); }
  ~With() { anemll::kernels::set_threads(before_, Cores::quiet); }
  With(const With&) = delete;
  With& operator=(const With&) = delete;

 private:
  int before_ = at::get_num_threads();
};

template <class Make>
void same_bits(const Make& make, const std::string& what) {
  const at::Tensor expected = [&] {
    const With one(1, Cores::quiet);
    return make();
  }();
  for (const int threads : {2, 3}) {
    for (const Cores cores : {Cores::quiet, Cores::shared}) {
      const With some(threads, cores);
      BOOST_CHECK_MESSAGE(make().equal(expected),
                          what << ": " << threads << " threads, shared cores: " << (cores == Cores::shared));
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cores)

BOOST_AUTO_TEST_CASE(pieces_cover_every_index_once) {
  const With shared(3, Cores::shared);
  for (const std::int64_t count : {2, 7, 24, 1000}) {
    std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
    anemll::kernels::parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end) {
      BOOST_TEST(at::get_num_threads() == 1);  // a product inside of a piece takes no other thread
      anemll::kernels::parallel_for(end - begin, 1, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = begin + first; i < begin + last; ++i) ++seen[static_cast<std::size_t>(i)];
      });
    });
    for (const auto& times : seen) BOOST_REQUIRE_EQUAL(times.load(), 1);
  }
}

BOOST_AUTO_TEST_CASE(an_error_of_a_piece_reaches_the_caller) {
  const With shared(2, Cores::shared);
  for (int run = 0; run < 100; ++run) {
    BOOST_CHECK_THROW(anemll::kernels::parallel_for(
                          64, 1, [](std::int64_t, std::int64_t) { throw std::runtime_error("a piece"); }),
                      std::runtime_error);
  }
}

BOOST_AUTO_TEST_CASE(two_callers_at_a_time_both_finish) {
  const With shared(2, Cores::shared);
  std::atomic<int> done{0};
  const auto call = [&] {
    for (int run = 0; run < 200; ++run) {
      anemll::kernels::parallel_for(
          16, 1, [&](std::int64_t begin, std::int64_t end) { done += static_cast<int>(end - begin); });
    }
  };
  std::thread other(call);
  call();
  other.join();
  BOOST_TEST(done == 2 * 200 * 16);
}

BOOST_AUTO_TEST_CASE(products_have_the_same_bits_on_shared_cores) {
  for (const auto& [m, n, k] : {std::array<std::int64_t, 3>{504, 576, 192},
                                {100, 1537, 96},
                                {1536, 65, 130},
                                {24, 4096, 256},
                                {24, 256, 4096},
                                {1, 3, 5}}) {
    const at::Tensor a = at::randn({m, k});
    const at::Tensor b = at::randn({k, n});
    const at::Tensor a_t = a.t().contiguous().t();
    const at::Tensor b_t = b.t().contiguous().t();
    const at::Tensor start = at::randn({m, n});
    const std::string size = std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k);
    same_bits([&] { return anemll::kernels::mm(a, b); }, size);
    same_bits([&] { return anemll::kernels::mm(a, b_t); }, size + ", second transposed");
    same_bits([&] { return anemll::kernels::mm(a_t, b); }, size + ", first transposed");
    same_bits(
        [&] {
          at::Tensor sum = start.clone();
          anemll::kernels::addmm_(sum, a_t, b);
          return sum;
        },
        size + ", added");
  }
}

BOOST_AUTO_TEST_CASE(a_frozen_layer_has_the_same_bits_on_shared_cores) {
  const at::Tensor weight = at::randn({384, 256});
  for (const at::Tensor& bias : {at::randn({384}), at::Tensor()}) {
    const at::Tensor x = at::randn({4, 33, 256});
    same_bits([&] { return anemll::kernels::linear(x, weight, bias); }, "forward");
    same_bits(
        [&] {
          const at::Tensor leaf = x.clone().set_requires_grad(true);
          const at::Tensor y = anemll::kernels::linear(leaf, weight, bias);
          y.backward(at::ones_like(y));
          return leaf.grad();
        },
        "gradient");
  }
}

BOOST_AUTO_TEST_CASE(told_cores_stay_as_told) {
  {
    const With quiet(2, Cores::quiet);
    BOOST_TEST(!anemll::kernels::cores_are_shared());
    BOOST_TEST(at::get_num_threads() == 2);
  }
  const With shared(2, Cores::shared);
  BOOST_TEST(anemll::kernels::cores_are_shared());
  BOOST_TEST(at::get_num_threads() == 1);
}

BOOST_AUTO_TEST_CASE(programs_on_our_cores_are_noticed) {
  const With watching(2, Cores::automatic);
  // More threads than processors take the cores from each other, as another program would.
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (unsigned i = 0; i < 2 * std::thread::hardware_concurrency(); ++i) {
    busy.emplace_back([&stop] {
      while (!stop) {
      }
    });
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  bool noticed = false;
  while (!noticed && std::chrono::steady_clock::now() < end) noticed = anemll::kernels::cores_are_shared();
  stop = true;
  for (std::thread& thread : busy) thread.join();
  BOOST_TEST(noticed);
}

BOOST_AUTO_TEST_SUITE_END()
