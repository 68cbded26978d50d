// The teacher pass: ranks take the micro-batches of a shard in turn, rank 0 makes the shard when all are
// there. The ranks meet once per round, so a signal or a failure of one stops all of them within a
// micro-batch.
#include "anemll/teacher/precompute.hpp"

#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/comm/agreement.hpp"
#include "src/core/content_digest.hpp"
#include "src/core/platform.hpp"
#include "src/core/signals.hpp"
#include "src/model/compute.hpp"
#include "src/model/decoder.hpp"
#include "src/model/model_digests.hpp"
#include "src/teacher/internal/assemble.hpp"
#include "src/teacher/internal/head_scores.hpp"
#include "src/teacher/internal/prepare.hpp"
#include "src/teacher/internal/tracked_pass.hpp"
#include "src/teacher/internal/unit_store.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>

namespace anemll {
namespace fs = std::filesystem;
namespace {

PayloadOptions payload_options(const PrecomputeOptions& o, const Plan& plan) {
  PayloadOptions payload;
  payload.topk = plan.shape.topk;
  payload.rand_neg = plan.shape.rand_neg;
  payload.payloads = plan.shape.payloads();
  payload.train_temperature = plan.shape.lse_train_temperature > 0 ? plan.shape.lse_train_temperature : 1.0;
  payload.seed = static_cast<std::uint64_t>(o.seed);
  payload.negatives_avoid_topk = o.compat == Compat::none;
  return payload;
}

/// The teacher with everything that one micro-batch needs.
class TeacherPass {
 public:
  TeacherPass(const ModelFiles& files, at::Device device, at::ScalarType dtype, const CacheShape& shape,
              const PayloadOptions& payload)
      : shape_(shape), payload_(payload) {
    if (shape_.topk == 0) return;  // tokens alone: nothing is asked of a teacher
    decoder_.emplace(files, device, /*dense=*/true);
    decoder_->set_compute(dtype);
    head_ = decoder_->head_weight(dtype);
    // What other devices than the CPU compute the logits with; widened once, not per micro-batch.
    if (!device.is_cpu()) head_ = head_.to(at::kFloat);
  }

  TeacherPayload run(const Unit& unit, std::span<const std::int32_t> tokens) {
    const at::NoGradGuard no_grad;
    if (!decoder_) {
      TeacherPayload nothing;
      nothing.rows = unit.rows;
      return nothing;
    }
    const auto first = static_cast<std::size_t>(unit.first * shape_.length);
    const at::Tensor ids =
        at::from_blob(const_cast<std::int32_t*>(tokens.data() + first), {unit.rows, shape_.length}, at::kInt)
            .to(at::kLong);
    const at::Tensor hidden =
        decoder_->hidden(ids, {}).narrow(1, 0, shape_.positions).flatten(0, 1);  // [rows * S, H]
    TeacherPayload payload;
    payload.rows = unit.rows;
    score_head(hidden, head_, unit.first, shape_.positions, payload_, payload);
    return payload;
  }

 private:
  std::optional<Decoder> decoder_;
  at::Tensor head_;
  CacheShape shape_;
  PayloadOptions payload_;
};

/// Sequences of this run, and the line that tells of them.
class Throughput {
 public:
  /// `tracked`: rank 0's, null elsewhere.
  Throughput(std::int64_t missing_rows, std::int64_t all_rows, std::int64_t length, TrackedPass* tracked)
      : length_(length),
        before_(all_rows - missing_rows),
        tracked_(tracked),
        bar_(missing_rows < all_rows ? strf("teacher pass (%lld sequences were there)",
                                            static_cast<long long>(all_rows - missing_rows))
                                     : "teacher pass",
             missing_rows, "sequences") {}

  void add(std::int64_t rows) {
    done_ += rows;
    bar_.update(done_, strf("%.0f tokens/s", tokens_per_s()));
    tell(false);
  }
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }
  double tokens_per_s() const { return static_cast<double>(done_ * length_) / std::max(seconds(), 1e-9); }
  void tell(bool must) {
    if (tracked_ != nullptr) tracked_->tell(before_ + done_, tokens_per_s(), seconds(), must);
  }
  void finish() {
    bar_.finish();
    tell(true);
    log_info(strf("teacher pass: %lld sequences in %s, %.1f sequences/s, %.0f tokens/s",
                  static_cast<long long>(done_), format_seconds(seconds()).c_str(),
                  static_cast<double>(done_) / std::max(seconds(), 1e-9), tokens_per_s()));
  }

 private:
  std::int64_t length_;
  std::int64_t before_;
  TrackedPass* tracked_;
  std::int64_t done_ = 0;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  Progress bar_;
};

/// Which micro-batches of a shard are missing, the same list on every rank.
std::vector<Unit> missing_units(Communicator& comm, const ShardPlan& shard, const UnitStore& store,
                                bool made) {
  std::vector<std::int64_t> missing(shard.units.size(), 0);
  if (comm.is_root() && !made) {
    for (std::size_t i = 0; i < missing.size(); ++i) missing[i] = store.has(shard.units[i]) ? 0 : 1;
  }
  comm.broadcast(std::as_writable_bytes(std::span(missing)), 0);
  std::vector<Unit> units;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    if (missing[i] != 0) units.push_back(shard.units[i]);
  }
  return units;
}

/// Computes `units`, shared out over the ranks. Returns the signal that ended it early, or 0.
int compute_units(Communicator& comm, const std::vector<Unit>& units, TeacherPass& teacher,
                  std::span<const std::int32_t> tokens, const UnitStore& store, Throughput& throughput) {
  const auto world = static_cast<std::size_t>(comm.size());
  for (std::size_t first = 0; first < units.size(); first += world) {
    const std::size_t mine = first + static_cast<std::size_t>(comm.rank());
    if (mine < units.size()) store.write(units[mine], teacher.run(units[mine], tokens));
    std::int64_t signal[] = {pending_signal()};
    comm.all_reduce(std::span<std::int64_t>(signal), ReduceOp::max);
    std::int64_t rows = 0;
    for (std::size_t i = first; i < std::min(first + world, units.size()); ++i) rows += units[i].rows;
    throughput.add(rows);
    if (signal[0] != 0) return static_cast<int>(signal[0]);
  }
  return 0;
}

/// All shards that are not there yet. Returns the signal that ended it early, or 0.
int make_shards(Communicator& comm, const Plan& plan, const fs::path& folder, TeacherPass& teacher,
                std::span<const std::int32_t> tokens, TrackedPass* tracked) {
  const UnitStore store(Workspace::units_folder(folder), plan);
  const fs::path cache = Workspace::cache_folder(folder);
  const std::vector<ShardPlan> shards = plan.shards();
  std::vector<std::vector<Unit>> work;
  std::vector<bool> made;
  std::int64_t missing = 0;
  for (const ShardPlan& shard : shards) {
    made.push_back(comm.is_root() && shard_is_made(plan, shard, cache));
    work.push_back(missing_units(comm, shard, store, made.back()));
    for (const Unit& unit : work.back()) missing += unit.rows;
  }
  Throughput throughput(missing, plan.rows + plan.holdout_rows, plan.shape.length, tracked);
  for (std::size_t i = 0; i < shards.size(); ++i) {
    std::vector<Unit> units = std::move(work[i]);
    // Units that prove damaged when the shard is made are computed once more.
    for (bool again = true; again;) {
      if (const int signal = compute_units(comm, units, teacher, tokens, store, throughput); signal != 0) {
        throughput.tell(true);
        return signal;
      }
      bool damaged = false;
      on_root(comm, [&] {
        if (made[i]) return;
        for (const Unit& unit : assemble_shard(plan, shards[i], store, tokens, cache)) {
          log_warning(strf("micro-batch of row %lld is damaged and computed again",
                           static_cast<long long>(unit.first)));
          store.remove(unit);
          damaged = true;
        }
      });
      again = any_rank(comm, damaged);
      if (again) units = missing_units(comm, shards[i], store, false);
    }
  }
  throughput.finish();
  return 0;
}

void publish(const PrecomputeOptions& o, Workspace& workspace) {
  const fs::path cache = Workspace::cache_folder(workspace.folder());
  remove_unplanned(workspace.plan(), cache);
  write_cache_index(workspace.plan(), cache);
  if (o.format == ShardFormat::hdf5) {
    workspace.publish(cache);
  } else {
    const bool replace = workspace.replaces() || fs::exists(o.output_dir);
    export_torch_cache(cache, o.output_dir, replace, nullptr);
    workspace.discard();
  }
  log_info(o.output_dir + ": complete");
}

/// Hosts that would compute in another precision, before any of them starts. Collective.
void compare_hosts(at::Device device, Precision dtype, Communicator& comm) {
  Agreement hosts(ExitCode::usage, "say it for all hosts: --device cpu or cuda, --dtype fp32 or bf16");
  hosts.add("device", device.is_cuda() ? "cuda" : "cpu");
  hosts.add("dtype", choice_name(dtype));
  hosts.check(comm);
}

/// Ranks that read another teacher or other tokens would write one cache together. Collective.
void compare_inputs(const ModelFiles& teacher, const fs::path& tokens, Communicator& comm) {
  if (comm.size() == 1) return;
  constexpr std::size_t kShown = 12;
  Agreement inputs(
      ExitCode::data,
      "give every rank the same files: a folder that all hosts share, or copy them again to each host");
  for (const ModelDigest& part : model_digests(teacher)) inputs.add("teacher " + part.what, part.digest);
  inputs.add("tokens", content_digest({&tokens, 1}).substr(0, kShown));
  inputs.check(comm);
}

Precision choose_dtype(const PrecomputeOptions& o, at::Device device) {
  if (o.dtype != Precision::automatic) return o.dtype;
  return device.is_cuda() || cpu_has_bf16() ? Precision::bf16 : Precision::fp32;
}

}  // namespace

ExitCode run_precompute(const PrecomputeOptions& o, Communicator& comm, int local_rank, int local_size) {
  on_root(comm, [&] { check_hub_cache(o); });
  // Ranks never exchange tensors here, so GPUs need no communication library.
  const at::Device device = choose_device(o.device, local_rank, true);
  const int threads = set_compute_threads(static_cast<int>(o.threads), local_rank, local_size);
  const Precision dtype = choose_dtype(o, device);
  compare_hosts(device, dtype, comm);

  Prepared prepared;
  std::string plan_text, teacher_path, folder;
  on_root(comm, [&] {
    prepared = prepare_precompute(o, choice_name(dtype), threads);
    if (prepared.workspace->state() == Workspace::State::complete) return;
    plan_text = write_plan(prepared.workspace->plan());
    teacher_path = prepared.teacher_path;
    folder = prepared.workspace->folder().string();
  });
  for (std::string* text : {&plan_text, &teacher_path, &folder}) broadcast_string(comm, *text, 0);
  if (plan_text.empty()) {
    log_info(o.output_dir + ": complete already, nothing to do");
    return ExitCode::done;
  }
  const Plan plan = parse_plan(plan_text, Workspace::plan_file(folder));
  if (plan.threads != threads) {
    log_warning(
        strf("the run was started with %lld threads per rank, this one has %d: results may differ in the "
             "last bit between their micro-batches",
             static_cast<long long>(plan.threads), threads));
  }
  const auto map = MappedFile::open(Workspace::tokens_file(folder));
  const std::span<const std::int32_t> tokens(reinterpret_cast<const std::int32_t*>(map->bytes().data()),
                                             map->bytes().size() / sizeof(std::int32_t));
  if (static_cast<std::int64_t>(tokens.size()) < (plan.rows + plan.holdout_rows) * plan.shape.length) {
    throw_data("the file is shorter than the plan says", Workspace::tokens_file(folder).string(),
               "start anew with --overwrite");
  }
  std::optional<TrackedPass> tracked;
  if (comm.is_root()) tracked.emplace(o, folder);
  int signal = 0;
  const StopPlan plan_of_stop("leaving after this micro-batch, finished ones are kept, then exit code 75");
  {
    // Rank 0 has it from preparing.
    const ModelFiles files = comm.is_root() ? std::move(prepared.teacher) : load_model_files(teacher_path);
    compare_inputs(files, Workspace::tokens_file(folder), comm);
    TeacherPass teacher(files, device, dtype == Precision::bf16 ? at::kBFloat16 : at::kFloat, plan.shape,
                        payload_options(o, plan));
    signal = make_shards(comm, plan, folder, teacher, tokens, tracked ? &*tracked : nullptr);
  }
  if (signal != 0) {
    log_info(signal_text(signal) +
             ": finished micro-batches are kept, exit code 75 (run again with --resume)");
    if (tracked) tracked->end(static_cast<int>(ExitCode::save_and_requeue));
    return ExitCode::save_and_requeue;
  }
  on_root(comm, [&] { publish(o, *prepared.workspace); });
  if (tracked) tracked->end(static_cast<int>(ExitCode::done));
  return ExitCode::done;
}

}  // namespace anemll
