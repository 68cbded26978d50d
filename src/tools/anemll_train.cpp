// anemll_train: parse, start the ranks, train.
#include "anemll/comm/communicator.hpp"
#include "anemll/train/train.hpp"

int main(int argc, char** argv) {
  return anemll::run_ranks(argc, argv, [&](anemll::MpiRuntime& mpi) {
    return anemll::train_program(argc, argv, mpi, anemll::TrainOptions(), anemll::make_train_table);
  });
}
