// One rank, no peers: collectives leave the data as it is. The local backend with one thread and a program
// started without mpirun behave the same; this one needs neither threads nor MPI.
#include "anemll/comm/communicator.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace anemll {
namespace {

class AlreadyReduced final : public PendingReduce {
 public:
  void wait() override {}
};

class SingleCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::string_view backend() const override { return "single"; }

  void barrier() override {}
  void broadcast(std::span<std::byte>, int) override {}
  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all) override {
    if (!mine.empty()) std::memmove(all.data(), mine.data(), mine.size());
  }
  void all_reduce(std::span<float>, ReduceOp) override {}
  void all_reduce(std::span<double>, ReduceOp) override {}
  void all_reduce(std::span<std::int64_t>, ReduceOp) override {}
  std::unique_ptr<PendingReduce> all_reduce_async(float*, std::size_t, void*) override {
    return std::make_unique<AlreadyReduced>();
  }
  void abort(int exit_code) override {
    std::fflush(nullptr);
    std::_Exit(exit_code);
  }
};

}  // namespace

std::unique_ptr<Communicator> make_single_communicator() {
  return std::make_unique<SingleCommunicator>();
}

}  // namespace anemll
