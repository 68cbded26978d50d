#include "src/teacher/internal/tracked_pass.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/normalised.hpp"
#include "src/tracking/tracked_config.hpp"

#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace anemll {
namespace fs = std::filesystem;

std::string tracked_options(const PrecomputeOptions& options) {
  PrecomputeOptions told = options;
  told.hub_token.reset();
  return tracked_config(make_precompute_table(told).json());
}

TrackedPass::TrackedPass(const PrecomputeOptions& o, fs::path workspace)
    : place_(std::move(workspace) / "wandb.json"), wanted_(o.wandb_project.has_value()) {
  if (!wanted_) return;
  const fs::path folder = normalised(o.output_dir);
  settings_ = {
      folder.parent_path(),        *o.wandb_project,    o.wandb_run_name.value_or(folder.filename().string()),
      o.wandb_entity.value_or(""), "anemll_precompute", tracked_options(o),
      "precompute/sequences",      {"precompute/*"}};
  guard([&](WandbRun& run) {
    run.tell_begin();
    write_file(place_, run.position());  // one that is killed from here on goes on in this run
  });
}

TrackedPass::~TrackedPass() {
  if (run_ && !ended_) end(static_cast<int>(ExitCode::unexpected));  // an error ends the program
}

void TrackedPass::guard(const std::function<void(WandbRun&)>& action) {
  if (!wanted_) return;
  try {
    if (!run_ && fs::exists(place_)) {
      std::optional<WandbRun> earlier = WandbRun::go_on(settings_, read_text(place_), log_origin());
      if (earlier) run_.emplace(std::move(*earlier));
    }
    if (!run_) run_.emplace(settings_, log_origin());
    action(*run_);
  } catch (const std::exception& e) {
    if (!std::exchange(warned_, true))
      log_warning(std::string("a log is not written, the pass goes on: ") + e.what());
  }
}

void TrackedPass::tell(std::int64_t sequences, double tokens_per_s, double elapsed_s, bool must) {
  constexpr std::chrono::seconds kPause(10);
  const auto now = std::chrono::steady_clock::now();
  if (!must && told_at_ && now - *told_at_ < kPause) return;
  told_at_ = now;
  guard([&](WandbRun& run) {
    run.log(std::vector<Metric>{{"precompute/sequences", static_cast<double>(sequences)},
                                {"precompute/tokens_per_sec", tokens_per_s},
                                {"precompute/elapsed_sec", elapsed_s}});
    run.sync();
    write_file(place_, run.position());
  });
}

void TrackedPass::end(int exit_code) {
  if (std::exchange(ended_, true)) return;
  guard([&](WandbRun& run) {
    run.end(exit_code);
    run.tell_end();
  });
}

}  // namespace anemll
