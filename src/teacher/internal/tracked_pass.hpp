// The teacher pass as a run of W&B, where one is asked for. Rank 0. What cannot be written is a warning,
// once.
#pragma once

#include "anemll/teacher/precompute.hpp"
#include "src/tracking/wandb_run.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace anemll {

/// The config of the run: every option that is set, and no secret. A JSON object.
std::string tracked_options(const PrecomputeOptions& options);

class TrackedPass {
 public:
  /// `workspace` keeps the place to go on from. Does nothing without --wandb_project.
  TrackedPass(const PrecomputeOptions& options, std::filesystem::path workspace);
  ~TrackedPass();
  TrackedPass(const TrackedPass&) = delete;
  TrackedPass& operator=(const TrackedPass&) = delete;

  /// Sequences that are there, with those of earlier starts. Tells no more often than every ten seconds,
  /// unless it `must`.
  void tell(std::int64_t sequences, double tokens_per_s, double elapsed_s, bool must = false);
  /// The last line says how to upload it.
  void end(int exit_code);

 private:
  void guard(const std::function<void(WandbRun&)>& action);

  WandbSettings settings_;
  std::filesystem::path place_;
  std::optional<WandbRun> run_;
  std::optional<std::chrono::steady_clock::time_point> told_at_;
  bool wanted_;
  bool ended_ = false;
  bool warned_ = false;
};

}  // namespace anemll
