// The tables of output_folder.hpp: which names the programs write, which are a model's or a cache's. A new
// program adds a table here and a name in the others where its files would mix with theirs.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/core/output_folder.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

// Of a model's config.json, and never of a quantised checkpoint's.
constexpr std::string_view kModelKeys[] = {"architectures",     "model_type", "hidden_size",
                                           "num_hidden_layers", "vocab_size", "transformers_version"};
// One of them is in every config.json that this program, its model in Python or a converter writes.
constexpr std::string_view kCheckpointKeys[] = {
    "lut_bits",       "mlp_lut_bits",    "attn_lut_bits", "lut_size",      "scale_rank",
    "mlp_scale_rank", "attn_scale_rank", "snapped_mode",  "config_preset", "recovery_lora"};

bool describes_a_checkpoint(const fs::path& file) {
  nlohmann::json config;
  try {
    config = nlohmann::json::parse(read_text(file), nullptr, false);
  } catch (const Error&) {
    return false;  // a folder, or not readable
  }
  if (!config.is_object()) return false;
  const auto has = [&](std::string_view key) { return config.contains(key); };
  return std::none_of(std::begin(kModelKeys), std::end(kModelKeys), has) &&
         std::any_of(std::begin(kCheckpointKeys), std::end(kCheckpointKeys), has);
}

/// Whether the config.json beside a checkpoint is that of a program which makes one (anemll_init, a
/// converter) and not that of a training run, whose own files have names of their own.
bool is_described_beside(const fs::path& checkpoint) {
  const fs::path file = checkpoint.parent_path() / "config.json";
  if (!describes_a_checkpoint(file)) return false;
  const nlohmann::json config = nlohmann::json::parse(read_text(file), nullptr, false);
  return !config.contains("max_steps");
}

/// Whether a folder called "state" is one of ours.
bool holds_states(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    for (const std::string_view pattern : {"step_#", "step_#.old", "step_#.tmp", "frozen-*.safetensors",
                                           "frozen.draft.safetensors*", "abandoned-#*", "latest", "best"}) {
      if (matches(pattern, name)) return true;
    }
  }
  return false;
}

/// Whether a folder called "wandb" holds runs, ours or its client's.
bool holds_tracked_runs(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (matches("offline-run-*", name) || matches("run-*", name)) return true;
  }
  return false;
}

bool holds_events(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (matches("events.out.tfevents.*", entry.path().filename().string())) return true;
  }
  return false;
}

/// A page of anemll_report tells of what lies beside it.
bool is_run_report(const fs::path& file) {
  std::string start(512, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  return start.find("content=\"anemll_report\"") != std::string::npos;
}

using enum EntryRole;

constexpr std::string_view kTokenizer = "a model's tokenizer";
constexpr std::string_view kWeights = "a model's weights";
constexpr std::string_view kCache = "a KD cache";

constexpr EntryRule kTrainingRules[] = {
    {".lock", other, "the lock"},
    {"training_log.csv", result, "a log"},
    {"metrics.jsonl", result, "a log"},
    {"best_state_dict.pt", result, "the best weights"},
    {"v2_scratch_initial.pt", result, "the start"},
    {"v2_initial.pt", result, "the start"},
    {"checkpoint_step#.pt", result, "a periodic checkpoint"},
    {"v2_*_#_#.pt", result, "last weights"},
    {"model_state_dict.pt", result, "last weights of V1 layers"},
    {"indices.pt", result, "indices of V1 layers"},
    {"*.pt", result, "a checkpoint that config.json describes", is_described_beside},
    {"start_report.json", result, "the report of a start"},
    {"state/", result, "states", holds_states},
    {"wandb/", result, "runs of W&B", holds_tracked_runs},
    {"tensorboard/", result, "events for TensorBoard", holds_events},
    {"report.html", result, "a report", is_run_report},
    {"config.json", described, "the description of a checkpoint", describes_a_checkpoint},
    {"dry-run.tmp.#/", leftover, ""},
    {"best_state_dict.pt.tmp.#", leftover, ""},
    {"best_state_dict.pt.link", leftover, ""},
    {"v2_scratch_initial.pt.tmp.#", leftover, ""},
    {"checkpoint_step#.pt.tmp.#", leftover, ""},
    {"v2_*.pt.tmp.#", leftover, ""},
    {"model_state_dict.pt.tmp.#", leftover, ""},
    {"indices.pt.tmp.#", leftover, ""},
    {"training_log.csv.tmp.#", leftover, ""},
    {"metrics.jsonl.tmp.#", leftover, ""},
    {"config.json.tmp.#", leftover, ""},
    {"report.html.tmp.#", leftover, ""},
    {"config.json", foreign, "a model's configuration"},
    {"*.safetensors", foreign, kWeights},
    {"*.safetensors.index.json", foreign, kWeights},
    {"*.bin", foreign, kWeights},
    {"*.bin.index.json", foreign, kWeights},
    {"*.pth", foreign, kWeights},
    {"*.gguf", foreign, kWeights},
    {"tokenizer*.json", foreign, kTokenizer},
    {"tokenizer.model", foreign, kTokenizer},
    {"vocab.json", foreign, kTokenizer},
    {"vocab.txt", foreign, kTokenizer},
    {"merges.txt", foreign, kTokenizer},
    {"added_tokens.json", foreign, kTokenizer},
    {"special_tokens_map.json", foreign, kTokenizer},
    {"chat_template.jinja", foreign, kTokenizer},
    {"generation_config.json", foreign, "a model's configuration"},
    {"snap_report.json", foreign, "a snapped model"},
    {"snapshots/", foreign, "a hub cache"},
    {"shard_#.h5", foreign, kCache},
    {"holdout_#.h5", foreign, kCache},
    {"shard_#.pt", foreign, kCache},
};

constexpr std::string_view kMerged = "another weight file: the converters merge every one of a folder";

constexpr EntryRule kSnapRules[] = {
    {"model_state_dict.pt", result, "a snapped model"},
    {"snap_report.json", result, "a report"},
    {"config.json", result, "the description of a checkpoint", describes_a_checkpoint},
    {"packed.safetensors", result, "a packed model"},
    {"model_state_dict.pt.tmp.#", leftover, ""},
    {"packed.safetensors.tmp.#", leftover, ""},
    {"snap_report.json.tmp.#", leftover, ""},
    {"config.json.tmp.#", leftover, ""},
    {"config.json", foreign, "a model's configuration"},
    {"*.pt", foreign, kMerged},
    {"*.pth", foreign, kMerged},
    {"*.bin", foreign, kMerged},
    {"*.safetensors", foreign, kMerged},
    {"*.gguf", foreign, kWeights},
    {"training_log.csv", foreign, "a training run"},
    {"metrics.jsonl", foreign, "a training run"},
    {"state/", foreign, "a training run", holds_states},
    {"shard_#.h5", foreign, kCache},
};

constexpr EntryRule kCacheRules[] = {
    {"index.json", result, kCache},   {"meta.json", result, kCache},   {"progress.json", result, kCache},
    {"shard_*.h5", result, kCache},   {"shard_*.pt", result, kCache},  {"holdout_*.h5", result, kCache},
    {"holdout_*.pt", result, kCache}, {"*", foreign, "no part of it"}, {"*/", foreign, "no part of it"},
};

// Drafts of shards, and what a teacher pass keeps until its cache is whole.
constexpr EntryRule kCacheWorkRules[] = {
    {"*.tmp.#", leftover, ""},
    {"cache/", result, kCache},
    {"units/", result, "micro-batches of a teacher"},
    {"plan.json", result, "the plan of a teacher pass"},
    {"tokens.i32", prepared, "tokens"},
    {"wandb.json", prepared, "the place of a W&B run"},
    {"index.json", result, kCache},
    {"meta.json", result, kCache},
    {"progress.json", result, kCache},
    {"shard_#.h5", result, kCache},
    {"shard_#.pt", result, kCache},
};

constexpr EntryRule kMomentsWorkRules[] = {
    {"*.tmp.#", leftover, ""},
    {"plan.json", prepared, "the plan of a calibration"},
    {"block_#.h5", result, "moments of a block"},
    {"moments.h5", result, "moments"},
};

constexpr std::string_view kDescribed = "another checkpoint, which needs the config.json beside it";

// A checkpoint that a converter made has a folder of its own, because its config.json describes one file.
constexpr EntryRule kConvertedRules[] = {
    {"config.json", result, "the description of a checkpoint", describes_a_checkpoint},
    {"config.json.tmp.#", leftover, ""},
    {"config.json", foreign, "a model's configuration"},
    {"training_log.csv", foreign, "a training run"},
    {"metrics.jsonl", foreign, "a training run"},
    {"state/", foreign, "a training run", holds_states},
    {"*.pt", foreign, kDescribed},
    {"*.pth", foreign, kDescribed},
    {"*.safetensors", foreign, kWeights},
    {"*.gguf", foreign, kWeights},
    {"shard_#.h5", foreign, kCache},
};

// While it is made.
constexpr EntryRule kMergedWorkRules[] = {
    {"model/", leftover, "a model that is being written"},
};

// The blocks of a start until all are there.
constexpr EntryRule kStartWorkRules[] = {
    {"*.tmp.#", leftover, ""},
    {"start.json", prepared, "what the blocks depend on"},
    {"block_#.safetensors", result, "a block of a start"},
    {"made/", result, "a start that is being written"},
};

constexpr Product kTraining{"a training run", kTrainingRules, ".lock"};
constexpr Product kSnap{"a snapped model", kSnapRules, ""};
constexpr Product kConverted{"a converted checkpoint", kConvertedRules, ""};
constexpr Product kMergedWork{"this model", kMergedWorkRules, ".lock"};
constexpr Product kKdCache{"a KD cache", kCacheRules, ".lock"};
constexpr Product kKdCacheWork{"this cache", kCacheWorkRules, ".lock"};
constexpr Product kStartWork{"this start", kStartWorkRules, ".lock"};
constexpr Product kMomentsWork{"these moments", kMomentsWorkRules, ".lock"};

}  // namespace

const Product& training_run() {
  return kTraining;
}
const Product& snapped_model() {
  return kSnap;
}
const Product& converted_checkpoint() {
  return kConverted;
}
const Product& merged_model_work() {
  return kMergedWork;
}
const Product& kd_cache_files() {
  return kKdCache;
}
const Product& kd_cache_work() {
  return kKdCacheWork;
}
const Product& start_work() {
  return kStartWork;
}
const Product& moments_work() {
  return kMomentsWork;
}

}  // namespace anemll
