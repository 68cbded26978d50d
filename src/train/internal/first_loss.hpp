// A high loss at the first step of a run from scratch: what it means, and a warning when it does not fall.
#pragma once

#include "anemll/train/train_options.hpp"
#include "src/train/internal/run_numbers.hpp"
#include "src/train/internal/stepper.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace anemll {

/// Above this a first loss is explained.
inline constexpr double kHighFirstLoss = 5;
/// By this step it is half of it, or something is wrong.
inline constexpr std::int64_t kHalvedByStep = 300;

/// What people are told at once.
std::string high_first_loss_text(double loss);
/// Why a loss may stay high with these options, the likeliest first; never empty.
std::vector<std::string> causes_of_high_loss(const TrainOptions& options);

class FirstLoss {
 public:
  /// `from_scratch`: the run starts now and from no checkpoint. A run that goes on knows its first loss from
  /// its numbers. `tells`: one rank does.
  FirstLoss(const TrainOptions& options, bool from_scratch, bool tells)
      : options_(options), from_scratch_(from_scratch), tells_(tells) {}

  /// Behind each step, whose number is `numbers.step`. Notes the first loss in `numbers`.
  void observe(const StepReport& report, RunNumbers& numbers);

 private:
  const TrainOptions& options_;
  bool from_scratch_;
  bool tells_;
  std::deque<double> recent_;  // losses of the last steps
};

}  // namespace anemll
