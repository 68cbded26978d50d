#include "src/train/internal/input_agreement.hpp"

#include "anemll/core/file.hpp"
#include "src/comm/agreement.hpp"
#include "src/core/hash.hpp"
#include "src/source/model_agreement.hpp"

#include <cstddef>
#include <string>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kShown = 12;  // digits of a digest in a message

}  // namespace

void compare_hosts(at::Device device, at::ScalarType compute, Communicator& comm) {
  Agreement hosts(ExitCode::usage, "say it for all hosts: --device cpu or cuda, --precision fp32 or bf16");
  hosts.add("device", device.is_cuda() ? "cuda" : "cpu");
  hosts.add("GEMM precision", compute == at::kBFloat16 ? "bf16" : "fp32");
  hosts.check(comm);
}

void compare_inputs(const TrainOptions& options, const KdCacheInfo& cache, const fs::path& cache_path,
                    const std::optional<SavedState>& state, Communicator& comm) {
  if (comm.size() == 1) return;
  Agreement inputs = agreement_on_files();
  inputs.add("cache fingerprint", cache.fingerprint.substr(0, kShown));
  inputs.add("cache sequences", std::to_string(cache.sequences));
  inputs.add("cache hold-out sequences", std::to_string(cache.holdout_sequences));
  inputs.add("cache content", shown_digest(cache_files(cache_path)));
  if (state) {
    inputs.add("state step", std::to_string(state->step));
    inputs.add("state content", sha256_hex(state->trainer_json + state->frozen_entry).substr(0, kShown));
  } else if (const auto& source = options.source_file()) {
    add_checkpoint_facts(inputs, "checkpoint", *source);
  }
  if (options.layer_overrides) inputs.add("layer overrides", shown_digest({*options.layer_overrides}));
  inputs.check(comm);
}

}  // namespace anemll
