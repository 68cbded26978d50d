#include "tests/gpu_standin/meeting.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace anemll::standin {

/// Memory full of zeros is a board that nobody has come to.
struct Meeting::Board {
  std::atomic<int> came;
  std::atomic<int> waiting;
  std::atomic<std::uint32_t> round;  ///< of the barrier
  std::atomic<std::uint64_t> counts[kMostRanks];
  float chunks[kMostRanks][kChunk];
};

Meeting::Meeting(const std::string& name, int ranks, int rank) : name_(name), ranks_(ranks), rank_(rank) {
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "processes share these");
  const int file = ::shm_open(name.c_str(), O_CREAT | O_RDWR, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(Board)) != 0) throw std::runtime_error("no shared memory");
  void* memory = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (memory == MAP_FAILED) throw std::runtime_error("shared memory cannot be mapped");
  board_ = static_cast<Board*>(memory);
  if (++board_->came == ranks_) ::shm_unlink(name_.c_str());
}

Meeting::~Meeting() {
  if (!complete()) ::shm_unlink(name_.c_str());
  ::munmap(board_, sizeof(Board));
}

bool Meeting::complete() const {
  return board_->came.load() >= ranks_;
}

bool Meeting::wait_for_all(const std::atomic<bool>& left) {
  using namespace std::chrono_literals;
  const std::uint32_t round = board_->round.load();
  if (++board_->waiting == ranks_) {
    board_->waiting = 0;
    ++board_->round;
    return true;
  }
  while (board_->round.load() == round) {
    if (left.load()) return false;
    std::this_thread::sleep_for(20us);
  }
  return true;
}

Meeting::Outcome Meeting::sum(const float* from, float* to, std::size_t count,
                              const std::atomic<bool>& left) {
  board_->counts[rank_] = count;
  if (!wait_for_all(left)) return Outcome::left;
  bool same = true;
  for (int r = 0; r < ranks_; ++r) same = same && board_->counts[r].load() == count;
  if (!wait_for_all(left)) return Outcome::left;  // nobody announces its next count before all have read
  if (!same) return Outcome::counts_differ;
  for (std::size_t first = 0; first < count; first += kChunk) {
    const std::size_t size = std::min(kChunk, count - first);
    std::copy_n(from + first, size, board_->chunks[rank_]);
    if (!wait_for_all(left)) return Outcome::left;
    std::copy_n(board_->chunks[0], size, to + first);
    for (int r = 1; r < ranks_; ++r) {
      for (std::size_t i = 0; i < size; ++i) to[first + i] += board_->chunks[r][i];
    }
    if (!wait_for_all(left)) return Outcome::left;
  }
  return Outcome::done;
}

}  // namespace anemll::standin
