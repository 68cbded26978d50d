// Groups of options that the programs which train share. Where a name, a meaning or a text differs, it asks
// whether options.v1 is there.
#pragma once

#include "anemll/core/options.hpp"
#include "anemll/train/train_options.hpp"

namespace anemll {

void add_data(OptionTable& table, TrainOptions& options);
void add_optimisation(OptionTable& table, TrainOptions& options);
void add_loss(OptionTable& table, TrainOptions& options);
void add_numerics(OptionTable& table, TrainOptions& options);
void add_files(OptionTable& table, TrainOptions& options);
void add_watch(OptionTable& table, TrainOptions& options);

/// What check_train_options() asks of anemll_train_v1's options beyond all others.
void check_v1_options(const TrainOptions& options);

}  // namespace anemll
