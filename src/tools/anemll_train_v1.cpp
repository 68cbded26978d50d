// anemll_train_v1: parse, start the ranks, train V1 layers.
#include "anemll/comm/communicator.hpp"
#include "anemll/train/train.hpp"

int main(int argc, char** argv) {
  return anemll::run_ranks(argc, argv, [&](anemll::MpiRuntime& mpi) {
    return anemll::train_program(argc, argv, mpi, anemll::v1_defaults(), anemll::make_train_v1_table);
  });
}
