// Making a KD cache: a teacher's logits over packed blocks of a text dataset, on any number of ranks,
// resumable to the byte. Names, defaults and meanings of the flags follow the Python reference's cache
// script.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/options.hpp"
#include "anemll/data/kd_columns.hpp"
#include "anemll/datasets/dataset_flags.hpp"
#include "anemll/model/compute_options.hpp"
#include "anemll/teacher/precompute_choices.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

struct PrecomputeOptions {
  // Teacher.
  std::string teacher = "Qwen/Qwen3-0.6B";
  std::string teacher_revision = "main";
  DeviceChoice device = DeviceChoice::automatic;
  Precision dtype = Precision::automatic;
  std::int64_t threads = 0;
  double work_timeout = 1800;

  // Text.
  DatasetFlags dataset;
  std::vector<std::string> map;  ///< FIELD=COLUMN
  Thinking enable_thinking = Thinking::off;
  bool thinking_asked = false;  ///< --enable_thinking was given
  std::optional<std::string> chat_template;
  std::optional<std::string> template_date;  ///< of "Today Date"
  bool no_template = false;
  bool cut_corpora = false;  ///< a long plain document is many
  bool shuffle = true;
  bool streaming = false;
  std::int64_t shuffle_buffer = 0;
  std::int64_t seed = 0;
  std::int64_t max_bad_records = 0;
  bool strict = false;   ///< what is left out of the inputs is an error
  bool inspect = false;  ///< tell what would be made of the inputs, and make nothing

  // Hub.
  std::optional<std::string> hub_cache;
  std::optional<std::string> hub_token;
  bool local_files_only = false;
  bool resume_download = false;  ///< downloads always resume; kept for scripts that say so

  // Cache.
  std::string output_dir;
  std::int64_t max_length = 64;
  std::int64_t topk = 32;
  std::int64_t rand_neg = 0;
  PayloadSet payloads = {Payload::topk, Payload::lse};
  std::string payload = "topk,lse";  ///< what was given; settle_precompute_options() reads it
  double train_temperature = 2.0;
  double holdout = 0.01;
  std::int64_t num_sequences = 20000;
  std::int64_t batch_size = 1;
  std::int64_t shard_size = 1024;
  ShardFormat format = ShardFormat::hdf5;
  Compat compat = Compat::none;
  bool resume = false;
  bool overwrite = false;

  // Weights & Biases: an offline run where a project is named.
  std::optional<std::string> wandb_project, wandb_run_name, wandb_entity;
};

/// Binds every option to `options`.
OptionTable make_precompute_table(PrecomputeOptions& options);

/// Checks combinations that no single option can, and lets --compat reference and --format pt choose what was
/// not `given`; usage errors.
void settle_precompute_options(PrecomputeOptions& options, const OptionTable& given);

/// --inspect: what a run would make of its inputs. Rank 0 only; reads everything, writes nothing. `show` gets
/// the report before what is left out becomes an error with --strict.
void inspect_precompute(const PrecomputeOptions& options,
                        const std::function<void(const std::string&)>& show);

/// The whole run; every rank calls it. Returns save_and_requeue when a signal ended it early with its work
/// kept.
ExitCode run_precompute(const PrecomputeOptions& options, Communicator& comm, int local_rank, int local_size);

}  // namespace anemll
