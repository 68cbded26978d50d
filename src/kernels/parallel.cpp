// The choice between equal shares and small pieces, and the one file of this room that is compiled with
// OpenMP; see parallel.hpp.
#include "src/kernels/parallel.hpp"

#include "src/core/platform.hpp"
#include "src/kernels/internal/piece_pool.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <ATen/Parallel.h>

namespace anemll::kernels {
namespace {

using Clock = std::chrono::steady_clock;

/// With AVX-512, MKL cuts a product of few rows and a long inner dimension by that dimension, as many times
/// as it has threads: the bits then depend on their number. In its strict mode they do not, at the same rate.
/// MKL reads the mode at the first product of the process, so it is set before main. A mode that the user has
/// set stays, and so do other makers' processors: MKL adds up there in one order as it is.
const bool kProductsAddUpInOneOrder = cpu_is_intel() && ::setenv("MKL_CBWR", "AUTO,STRICT", 0) == 0;

/// Seconds a second that our threads together were ready to run and had no core: from the first on cores
/// count as shared, under the second they are quiet again. Measured on two cores: 0.6 to 0.8 beside one busy
/// program, 0.2 beside a dozen that have low priority.
constexpr double kShared = 0.30;
constexpr double kQuiet = 0.15;
constexpr std::chrono::milliseconds kLookEvery{200};
constexpr int kPiecesPerThread = 4;

/// How long the threads of this process have waited for a core so far, in seconds; 0 where the system does
/// not tell, so that cores always count as quiet there.
double waited_for_a_core() {
  double sum = 0;
  std::error_code none;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", none)) {
    std::ifstream file(thread.path() / "schedstat");
    double ran = 0;
    double waited = 0;
    if (file >> ran >> waited) sum += waited;
  }
  return sum * 1e-9;
}

/// What set_threads() said and what was seen of the cores. Threads that compute at the same time may look at
/// the same time; both then see the same.
class CoreWatch {
 public:
  void set(int threads, Cores cores) {
    threads_ = std::max(threads, 1);
    cores_ = cores;
    shared_ = cores == Cores::shared;
    looked_ = Clock::now().time_since_epoch().count();
    waited_ = waited_for_a_core();
    apply();
  }

  int threads() const { return threads_; }

  bool shared() {
    if (cores_ == Cores::automatic && threads_ > 1) look();
    return shared_;
  }

 private:
  void look() {
    const Clock::rep now = Clock::now().time_since_epoch().count();
    Clock::rep before = looked_;
    const std::chrono::duration<double> passed = Clock::duration(now - before);
    if (passed < kLookEvery || !looked_.compare_exchange_strong(before, now)) return;
    const double waited = waited_for_a_core();
    const double share = (waited - waited_.exchange(waited)) / passed.count();
    const bool now_shared = share > (shared_ ? kQuiet : kShared);
    if (now_shared == shared_) return;
    shared_ = now_shared;
    apply();
  }

  /// LibTorch's own threads wait in loops, which takes cores from those that work where cores are scarce.
  void apply() { at::set_num_threads(shared_ ? 1 : threads_.load()); }

  std::atomic<int> threads_{1};
  std::atomic<Cores> cores_{Cores::quiet};
  std::atomic<bool> shared_{false};
  std::atomic<Clock::rep> looked_{0};
  std::atomic<double> waited_{0};
};

CoreWatch& watch() {
  static CoreWatch the_watch;
  return the_watch;
}

}  // namespace

void set_threads(int count, Cores cores) {
  watch().set(count, cores);
}

bool cores_are_shared() {
  return !inside_a_piece() && !at::in_parallel_region() && watch().shared();
}

void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body) {
  if (count <= 0) return;
  const std::int64_t least = std::max<std::int64_t>(grain, 1);
  if (inside_a_piece()) {
    body(0, count);
    return;
  }
  if (count > least && cores_are_shared()) {
    const std::int64_t threads = watch().threads();
    const std::int64_t each = std::clamp<std::int64_t>(count / least / threads, 1, kPiecesPerThread);
    const std::int64_t pieces = each * threads;
    if (run_in_pieces(static_cast<int>(threads) - 1, count, (count + pieces - 1) / pieces, body)) return;
  }
  at::parallel_for(0, count, least, [&body](std::int64_t begin, std::int64_t end) { body(begin, end); });
}

}  // namespace anemll::kernels
