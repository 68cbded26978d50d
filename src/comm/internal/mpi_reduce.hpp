// A sum (max, min) over MPI ranks in place, in rank order, that advances only when its owner polls it.
//
// The values are cut into windows. Of each window every rank owns one slice: it receives that slice from all
// others, reduces it in rank order and sends the result to all. This moves as many bytes as a ring does, and
// the result is the same for every cut, every rank and every run, which MPI_Allreduce does not promise (it
// picks its algorithm, and with it the order of the sum, by message size).
#pragma once

#include "src/comm/internal/mpi_check.hpp"
#include "src/comm/internal/rank_ordered.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include <mpi.h>

namespace anemll {

class MpiTask {
 public:
  virtual ~MpiTask() = default;
  /// Does what can be done without waiting. True when the result is in place.
  virtual bool advance() = 0;
  /// Gives up: afterwards MPI writes to no memory of the task.
  virtual void cancel() noexcept = 0;
};

template <class T>
class MpiReduce final : public MpiTask {
 public:
  static constexpr int kLanes = 2;  ///< windows under way at a time: one travels while the other is reduced
  static constexpr int kTags = kLanes * 2;

  /// `first_tag`: kTags tags from here on are the task's own.
  MpiReduce(MPI_Comm comm, int rank, int size, int first_tag, std::span<T> values, ReduceOp op,
            std::size_t window_bytes)
      : comm_(comm), rank_(rank), size_(size), values_(values), op_(op) {
    const auto ranks = static_cast<std::size_t>(size);
    window_ = std::max(window_bytes / sizeof(T), ranks);
    for (int i = 0; i < kLanes; ++i) {
      lanes_[i].tag = first_tag + 2 * i;
      start_window(lanes_[i], window_ * static_cast<std::size_t>(i));
    }
  }

  bool advance() override {
    bool done = true;
    for (Lane& lane : lanes_) done = advance(lane) && done;
    return done;
  }

  void cancel() noexcept override {
    for (Lane& lane : lanes_) {
      for (MPI_Request& request : lane.requests) {
        if (request == MPI_REQUEST_NULL) continue;
        MPI_Cancel(&request);
        MPI_Request_free(&request);
      }
    }
  }

 private:
  struct Lane {
    enum class Phase { collect, distribute, idle } phase = Phase::idle;
    int tag = 0;
    std::size_t begin = 0;
    std::size_t count = 0;
    std::vector<T> inbox;  ///< my slice as the others have it, in rank order
    std::vector<MPI_Request> requests;
  };

  std::span<T> slice(const Lane& lane, int rank) const {
    const auto r = static_cast<std::size_t>(rank);
    const auto ranks = static_cast<std::size_t>(size_);
    const std::size_t first = lane.count * r / ranks;
    const std::size_t last = lane.count * (r + 1) / ranks;
    return values_.subspan(lane.begin + first, last - first);
  }

  void start_window(Lane& lane, std::size_t begin) {
    lane.phase = Lane::Phase::idle;
    if (begin >= values_.size()) return;
    lane.begin = begin;
    lane.count = std::min(window_, values_.size() - begin);
    lane.phase = Lane::Phase::collect;
    const std::size_t mine = slice(lane, rank_).size();
    lane.inbox.resize(mine * static_cast<std::size_t>(size_ - 1));
    T* slot = lane.inbox.data();
    for (int r = 0; r < size_; ++r) {
      if (r == rank_) continue;
      receive(lane, std::span<T>(slot, mine), r, lane.tag);
      slot += mine;
    }
    // Starting with the next rank, so that not all send to rank 0 first.
    for (int step = 1; step < size_; ++step) {
      const int r = (rank_ + step) % size_;
      send(lane, slice(lane, r), r, lane.tag);
    }
  }

  bool advance(Lane& lane) {
    while (lane.phase != Lane::Phase::idle) {
      int arrived = 0;
      check_mpi(MPI_Testall(static_cast<int>(lane.requests.size()), lane.requests.data(), &arrived,
                            MPI_STATUSES_IGNORE),
                "MPI_Testall");
      if (arrived == 0) return false;
      lane.requests.clear();
      if (lane.phase == Lane::Phase::distribute) {
        // Every kLanes-th window, whichever lane is faster here: the other ranks must agree.
        start_window(lane, lane.begin + window_ * kLanes);
      } else {
        reduce_slice(lane);
        distribute(lane);
      }
    }
    return true;
  }

  void reduce_slice(Lane& lane) {
    const std::span<T> mine = slice(lane, rank_);
    std::vector<const T*> sources;
    const T* slot = lane.inbox.data();
    for (int r = 0; r < size_; ++r) {
      sources.push_back(r == rank_ ? mine.data() : slot);
      if (r != rank_) slot += mine.size();
    }
    reduce_in_rank_order<T>(sources, mine.size(), op_, [&](std::size_t at, std::span<const T> block) {
      std::copy(block.begin(), block.end(), mine.data() + at);
    });
  }

  void distribute(Lane& lane) {
    lane.phase = Lane::Phase::distribute;
    for (int step = 1; step < size_; ++step) {
      const int from = (rank_ + size_ - step) % size_;
      const int to = (rank_ + step) % size_;
      receive(lane, slice(lane, from), from, lane.tag + 1);
      send(lane, slice(lane, rank_), to, lane.tag + 1);
    }
  }

  void receive(Lane& lane, std::span<T> into, int from, int tag) {
    lane.requests.push_back(MPI_REQUEST_NULL);
    check_mpi(MPI_Irecv(into.data(), static_cast<int>(into.size_bytes()), MPI_BYTE, from, tag, comm_,
                        &lane.requests.back()),
              "MPI_Irecv");
  }
  void send(Lane& lane, std::span<const T> values, int to, int tag) {
    lane.requests.push_back(MPI_REQUEST_NULL);
    check_mpi(MPI_Isend(values.data(), static_cast<int>(values.size_bytes()), MPI_BYTE, to, tag, comm_,
                        &lane.requests.back()),
              "MPI_Isend");
  }

  MPI_Comm comm_;
  int rank_;
  int size_;
  std::span<T> values_;
  ReduceOp op_;
  std::size_t window_ = 0;
  Lane lanes_[kLanes];
};

}  // namespace anemll
