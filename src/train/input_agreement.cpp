#include "src/train/internal/input_agreement.hpp"

#include "anemll/core/file.hpp"
#include "src/comm/agreement.hpp"
#include "src/core/content_digest.hpp"
#include "src/core/hash.hpp"
#include "src/model/model_digests.hpp"
#include "src/student/v2_checkpoint.hpp"

#include <string>
#include <vector>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kShown = 12;  // digits of a digest in a message

std::string digest(const std::vector<fs::path>& files) {
  return content_digest(files).substr(0, kShown);
}

constexpr const char* kSameFiles =
    "give every rank the same files: a folder that all hosts share, or copy them again to each host";

}  // namespace

void compare_model(const std::string& what, const ModelFiles& model, Communicator& comm) {
  if (comm.size() == 1) return;
  Agreement inputs(ExitCode::data, kSameFiles);
  for (const ModelDigest& part : model_digests(model)) inputs.add(what + " " + part.what, part.digest);
  inputs.check(comm);
}

void compare_hosts(at::Device device, at::ScalarType compute, Communicator& comm) {
  Agreement hosts(ExitCode::usage, "say it for all hosts: --device cpu or cuda, --precision fp32 or bf16");
  hosts.add("device", device.is_cuda() ? "cuda" : "cpu");
  hosts.add("GEMM precision", compute == at::kBFloat16 ? "bf16" : "fp32");
  hosts.check(comm);
}

void compare_inputs(const TrainOptions& options, const KdCacheInfo& cache, const fs::path& cache_path,
                    const std::optional<SavedState>& state, Communicator& comm) {
  if (comm.size() == 1) return;
  Agreement inputs(ExitCode::data, kSameFiles);
  inputs.add("cache fingerprint", cache.fingerprint.substr(0, kShown));
  inputs.add("cache sequences", std::to_string(cache.sequences));
  inputs.add("cache hold-out sequences", std::to_string(cache.holdout_sequences));
  inputs.add("cache content", digest(cache_files(cache_path)));
  if (state) {
    inputs.add("state step", std::to_string(state->step));
    inputs.add("state content", sha256_hex(state->trainer_json + state->frozen_entry).substr(0, kShown));
  } else if (const auto& source = options.source_file()) {
    inputs.add("checkpoint content", digest({*source}));
    const fs::path config = config_beside(*source);
    inputs.add("checkpoint config", config.empty() ? "none" : digest({config}));
  }
  if (options.layer_overrides) inputs.add("layer overrides", digest({*options.layer_overrides}));
  inputs.check(comm);
}

}  // namespace anemll
