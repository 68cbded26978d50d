// What every backend must do, checked on one rank of many. The cases throw instead of using Boost's macros,
// which are not safe on the threads of the local backend.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "src/comm/bucket_reducer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace anemll::test {

inline void require(bool holds, const std::string& what, Communicator& comm) {
  if (!holds) throw std::runtime_error("rank " + std::to_string(comm.rank()) + ": " + what);
}

/// Values whose sum depends on the order of the terms; a function of rank and index alone.
template <class T>
std::vector<T> rank_values(int rank, std::size_t count) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t x =
        (i * 2654435761U + static_cast<std::uint64_t>(rank) * 40503U + 7U) * 11400714819323198485ULL;
    const auto unit = static_cast<double>(x >> 40) / 16777216.0 - 0.5;
    const double scale = std::is_integral_v<T> ? 1e6 : std::pow(10.0, static_cast<double>(x % 9) - 4.0);
    values[i] = static_cast<T>(unit * scale);
  }
  return values;
}

/// The oracle: the same values of all ranks, combined in rank order by one loop.
template <class T>
std::vector<T> expected_reduction(int ranks, std::size_t count, ReduceOp op) {
  std::vector<T> result = rank_values<T>(0, count);
  for (int r = 1; r < ranks; ++r) {
    const std::vector<T> next = rank_values<T>(r, count);
    for (std::size_t i = 0; i < count; ++i) {
      result[i] = op == ReduceOp::sum   ? static_cast<T>(result[i] + next[i])
                  : op == ReduceOp::max ? std::max(result[i], next[i])
                                        : std::min(result[i], next[i]);
    }
  }
  return result;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

template <class T>
void check_reduce(Communicator& comm, std::size_t count, ReduceOp op) {
  std::vector<T> values = rank_values<T>(comm.rank(), count);
  comm.all_reduce(std::span(values), op);
  require(same_bits(values, expected_reduction<T>(comm.size(), count, op)),
          "all_reduce of " + std::to_string(count) + " is not the rank-ordered one", comm);
}

inline void check_reductions(Communicator& comm) {
  for (const std::size_t count : {0U, 1U, 2U, 3U, 7U, 1000U, 5003U, 40009U}) {
    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::max, ReduceOp::min}) {
      check_reduce<float>(comm, count, op);
      check_reduce<double>(comm, count, op);
      check_reduce<std::int64_t>(comm, count, op);
    }
  }
  // A NaN of any rank reaches all, under every operation.
  for (const ReduceOp op : {ReduceOp::sum, ReduceOp::max, ReduceOp::min}) {
    for (int r = 0; r < comm.size(); ++r) {
      double value = comm.rank() == r ? std::numeric_limits<double>::quiet_NaN() : 1.0;
      comm.all_reduce(std::span(&value, 1), op);
      require(value != value, "NaN lost", comm);
    }
  }
}

inline void check_data_movement(Communicator& comm) {
  comm.barrier();
  for (int root = 0; root < comm.size(); ++root) {
    for (const std::size_t count : {0U, 1U, 100U, 9001U}) {
      std::vector<float> values = rank_values<float>(comm.rank(), count);
      comm.broadcast(std::as_writable_bytes(std::span(values)), root);
      require(same_bits(values, rank_values<float>(root, count)), "broadcast", comm);
    }
  }
  for (const std::size_t count : {0U, 1U, 100U, 9001U}) {
    const std::vector<float> mine = rank_values<float>(comm.rank(), count);
    std::vector<float> all(count * static_cast<std::size_t>(comm.size()), -1.0F);
    comm.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
    for (int r = 0; r < comm.size(); ++r) {
      const auto at = all.begin() + static_cast<std::ptrdiff_t>(count) * r;
      const std::vector<float> part(at, at + static_cast<std::ptrdiff_t>(count));
      require(same_bits(part, rank_values<float>(r, count)), "all_gather", comm);
    }
  }
}

inline void check_conveniences(Communicator& comm) {
  require(!any_rank(comm, false), "any_rank of nobody", comm);
  for (int r = 0; r < comm.size(); ++r) require(any_rank(comm, comm.rank() == r), "any_rank of one", comm);

  for (const std::string& text :
       {std::string(), std::string("short"), std::string(5000, 'x') + '\0' + "end"}) {
    std::string mine = comm.is_root() ? text : "other";
    broadcast_string(comm, mine, 0);
    require(mine == text, "broadcast_string", comm);
  }
  const auto text_of = [](int rank) {
    return std::string(static_cast<std::size_t>(rank) * 3, 'a') + std::to_string(rank);
  };
  const auto all = gather_strings(comm, text_of(comm.rank()));
  require(all.size() == static_cast<std::size_t>(comm.size()), "gather_strings count", comm);
  for (int r = 0; r < comm.size(); ++r)
    require(all[static_cast<std::size_t>(r)] == text_of(r), "gather_strings", comm);
  for (const std::string& empty : gather_strings(comm, ""))
    require(empty.empty(), "gather_strings of nothing", comm);
}

inline void check_on_root(Communicator& comm) {
  int runs = 0;
  on_root(comm, [&] { ++runs; });
  require(runs == (comm.is_root() ? 1 : 0), "on_root runs on rank 0 only", comm);

  const auto error_of = [&](const std::function<void()>& work) {
    try {
      on_root(comm, work);
    } catch (const Error& error) {
      return error;
    }
    throw std::runtime_error("on_root lost an error");
  };
  const Error full = error_of([] { throw_data("bad header", "x.safetensors", "fetch it again"); });
  require(full.code() == ExitCode::data && full.where() == "x.safetensors" &&
              full.hint() == "fetch it again" &&
              std::string(full.what()) == "x.safetensors: bad header\n  hint: fetch it again",
          "on_root error: " + std::string(full.what()), comm);
  const Error bare = error_of([] { throw Error(ExitCode::numerics, "NaN"); });
  require(bare.code() == ExitCode::numerics && std::string(bare.what()) == "NaN", "on_root bare error", comm);
  const Error foreign = error_of([] { throw std::runtime_error("boom"); });
  require(std::string(foreign.what()).find("boom") != std::string::npos, "on_root foreign error", comm);
  comm.barrier();  // all ranks are still in step
}

inline void check_async(Communicator& comm) {
  // Several sums under way at once, with other collectives between, waited for in another order on each rank.
  std::vector<std::vector<float>> buffers;
  std::vector<std::unique_ptr<PendingReduce>> pending;
  for (const std::size_t count : {0U, 1U, 5U, 5003U, 70001U, 1024U})
    buffers.push_back(rank_values<float>(comm.rank(), count));
  for (auto& buffer : buffers) {
    pending.push_back(comm.all_reduce_async(buffer.data(), buffer.size(), nullptr));
    comm.progress();
  }
  require(any_rank(comm, comm.is_root()), "any_rank beside sums under way", comm);
  std::rotate(pending.begin(), pending.begin() + comm.rank() % 6, pending.end());
  for (auto& reduction : pending) reduction->wait();
  for (auto& reduction : pending) reduction->wait();  // once more: nothing happens
  for (const auto& buffer : buffers) {
    require(same_bits(buffer, expected_reduction<float>(comm.size(), buffer.size(), ReduceOp::sum)),
            "all_reduce_async", comm);
  }
}

/// One backward pass through a reducer; `order` says when parameters get ready, those not in it get no
/// gradient.
inline std::vector<float> reduce_in_buckets(Communicator& comm, const std::vector<std::int64_t>& sizes,
                                            std::size_t bucket_bytes, const std::vector<std::size_t>& order,
                                            int passes) {
  const auto total = static_cast<std::size_t>(std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}));
  std::vector<float> buffer(total);
  BucketReducer reducer(comm, buffer.data(), sizes, bucket_bytes);
  for (int pass = 0; pass < passes; ++pass) {
    const std::vector<float> values = rank_values<float>(comm.rank(), total);
    std::copy(values.begin(), values.end(), buffer.begin());
    reducer.begin();
    for (const std::size_t index : order) reducer.ready(index);
    reducer.finish();
  }
  return buffer;
}

inline void check_bucket_reducer(Communicator& comm) {
  const std::vector<std::int64_t> sizes = {1, 300, 0, 77, 4096, 5, 5, 12001, 64, 1000};
  std::vector<std::size_t> backward(sizes.size());
  std::iota(backward.rbegin(), backward.rend(), std::size_t{0});
  const std::vector<float> reference = reduce_in_buckets(comm, sizes, 0, backward, 1);
  require(same_bits(reference, expected_reduction<float>(comm.size(), reference.size(), ReduceOp::sum)),
          "one bucket", comm);

  for (const std::size_t bucket_bytes : {1U, 4000U, 17000U, 1U << 20}) {
    require(same_bits(reduce_in_buckets(comm, sizes, bucket_bytes, backward, 3), reference), "backward order",
            comm);
    // Every rank in another order, and with other parameters that get no gradient.
    std::vector<std::size_t> shuffled = backward;
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(static_cast<unsigned>(comm.rank()) + 5U));
    require(same_bits(reduce_in_buckets(comm, sizes, bucket_bytes, shuffled, 2), reference), "shuffled order",
            comm);
    shuffled.resize(shuffled.size() / 2);
    require(same_bits(reduce_in_buckets(comm, sizes, bucket_bytes, shuffled, 2), reference),
            "missing parameters", comm);
    require(same_bits(reduce_in_buckets(comm, sizes, bucket_bytes, {}, 1), reference), "no parameter ready",
            comm);
  }
}

inline void check_everything(Communicator& comm) {
  check_data_movement(comm);
  check_reductions(comm);
  check_conveniences(comm);
  check_on_root(comm);
  check_async(comm);
  check_bucket_reducer(comm);
}

}  // namespace anemll::test
