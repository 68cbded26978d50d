// How a Trainer comes to be: cache, model, state, parameters, files, in the order that finds mistakes first.
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/core/platform.hpp"
#include "anemll/core/signals.hpp"
#include "anemll/train/train.hpp"
#include "src/data/origin.hpp"
#include "src/train/evaluation_sources.hpp"
#include "src/train/input_agreement.hpp"
#include "src/train/memory_plan.hpp"
#include "src/train/objective.hpp"
#include "src/train/resume_differences.hpp"
#include "src/train/run_setup.hpp"
#include "src/train/source_plan.hpp"
#include "src/train/state_io.hpp"
#include "src/train/suspicions.hpp"
#include "src/train/trainer.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

namespace anemll {
namespace {

/// From here on the folder is this process's: its state is read, its files are written.
std::unique_ptr<OutputFolder> take_output(const TrainOptions& options, Communicator& comm) {
  std::unique_ptr<OutputFolder> output;
  on_root(comm, [&] {
    output = std::make_unique<OutputFolder>(options.output_dir, training_run(), "--output-dir");
    if (options.v2_checkpoint) output->accept(*options.v2_checkpoint);
    output->take(options.resume != "none" && StateStore(options.output_dir).has_states());
    StateStore(options.output_dir).recover();
  });
  return output;
}

/// The state to go on from, the same choice on every rank.
std::optional<StateStore::Loaded> find_state(const TrainOptions& options, const OutputFolder* output,
                                             Communicator& comm) {
  if (options.resume == "none") return std::nullopt;
  std::string folder;
  on_root(comm, [&] {
    if (options.resume != "auto") {
      folder = StateStore::load(options.resume).folder.string();
      return;
    }
    if (const auto latest = StateStore(options.output_dir).load_latest()) {
      folder = latest->folder.string();
      return;
    }
    const bool results = !output->entries(EntryRole::result).empty();
    log_info("no state yet in " + options.output_dir + ": the run starts anew" +
             (results ? "; what an earlier one left there moves to earlier-<n>" : ""));
  });
  broadcast_string(comm, folder, 0);
  if (folder.empty()) return std::nullopt;
  return StateStore::load(folder);
}

std::string open_cache(const TrainOptions& options, Communicator& comm) {
  std::string path;
  on_root(comm, [&] {
    std::unique_ptr<Progress> bar;
    path =
        ensure_hdf5_cache(options.cache_dir, options.output_dir, [&](std::int64_t done, std::int64_t total) {
          if (!bar) bar = std::make_unique<Progress>("importing the KD cache", total, "sequences");
          bar->update(done);
        }).string();
    if (bar) bar->finish();
  });
  broadcast_string(comm, path, 0);
  return path;
}

void check_positions(const KdCacheInfo& cache, const Architecture& model, const TrainOptions& options) {
  if (model.max_positions == 0 || cache.length <= model.max_positions) return;
  throw_data("sequences of " + std::to_string(cache.length) + " tokens exceed the model's " +
                 std::to_string(model.max_positions) + " positions",
             options.cache_dir, "make a cache with a smaller --max_length");
}

/// Files pad vocabularies differently, which is no fault: ids that the model lacks show as they are read. A
/// number alone does not tell padding from another family, so that is said unless the tokenizer is the same.
void tell_vocabulary(const KdCacheInfo& cache, const ModelFiles& model, const TrainOptions& options,
                     Communicator& comm) {
  const std::int64_t own = model.architecture.vocab_size;
  if (cache.vocab_size == 0 || cache.vocab_size == own || !comm.is_root()) return;
  const std::string numbers = options.cache_dir + " was made for " + std::to_string(cache.vocab_size) +
                              " ids, the model has " + std::to_string(own);
  const std::string made_with = cache_origin(cache.meta_json).value_or(CacheOrigin{}).tokenizer_sha256;
  if (!made_with.empty() && made_with == tokenizer_sha256(model)) {
    log_info(numbers + " and the same tokenizer: every id is checked as it is read");
    return;
  }
  log_warning(numbers + ": every id is checked as it is read, but not that it means the same token (" +
              (made_with.empty() ? "the cache does not name its tokenizer" : "the tokenizers differ") + ")");
}

std::unique_ptr<Student> make_student(const TrainOptions& options, const ModelFiles& files,
                                      const std::optional<StateStore::Loaded>& state, at::Device device,
                                      Communicator& comm) {
  if (state) return std::make_unique<Student>(Student::from_state(files, *state, device));
  if (options.v2_checkpoint)
    return std::make_unique<Student>(Student::from_checkpoint(files, options, device));
  return std::make_unique<Student>(Student::from_scratch(files, options, device, comm));
}

void tell_suspicions(const SuspicionFacts& facts, Communicator& comm) {
  if (!comm.is_root()) return;
  for (const Suspicion& s : suspicions(facts)) log_warning(s.problem + " (" + s.hint + ")");
}

}  // namespace

Trainer::Trainer(const TrainOptions& options, const std::string& resolved_json, Communicator& comm,
                 Communicator& device_comm, at::Device device, int local_ranks)
    : options_(options),
      resolved_json_(resolved_json),
      comm_(comm),
      device_comm_(device_comm),
      device_(device),
      compute_(choose_compute(options, device)) {
  output_ = take_output(options_, comm_);
  const std::optional<StateStore::Loaded> state = find_state(options_, output_.get(), comm_);
  if (!state && !options_.from_scratch && !options_.v2_checkpoint) {
    throw_usage("there is no state to resume and no source", "--resume " + options_.resume,
                "add --from-scratch or --v2-checkpoint FILE for the first start");
  }
  const std::string model_path =
      find_model(options_.model_id, options_.eval_text ? ModelUse::all : ModelUse::weights, comm_);
  const Architecture model = read_architecture(model_path);
  const std::string cache = open_cache(options_, comm_);
  Prefetcher::Options reading;
  reading.rank = comm_.rank();
  reading.world = comm_.size();
  reading.vocab_size = model.vocab_size;
  reading.payloads = training_payloads(options_);
  reading.first_step = state ? run_state_of(*state).step * options_.accumulation_steps : 0;
  data_ = std::make_unique<Prefetcher>(
      cache, options_.order == "shuffle" ? OrderKind::shuffle : OrderKind::sequential, options_.batch_size,
      static_cast<std::uint64_t>(options_.seed), reading);
  leave_together(comm_, "opening model and cache", "nothing was made yet: run the same command again");
  const ModelFiles base = load_model_files(model_path);
  on_root(comm_, [&] { base.inventory.tell(options_.model_id, options_.strict); });
  compare_inputs(options_, base, data_->info(), cache, state, comm_);
  check_positions(data_->info(), model, options_);
  tell_vocabulary(data_->info(), base, options_, comm_);
  const SourcePlan source = plan_source(options_, model, state);
  run_identity_ = run_identity(options_, base, data_->info(), source);
  if (state) {
    check_resumed_options(*state, options_, resolved_json_, source, run_identity_);
    resolved_json_ = carried_options(*state, resolved_json_);
  }
  const MemoryPlan memory = plan_memory(options_, model, data_->info(), source, comm_.size(), compute_);
  log_info(memory.text());
  SuspicionFacts facts{options_, data_->info()};
  facts.ranks = comm_.size();
  facts.local_ranks = local_ranks;
  facts.planned_bytes = device_.is_cpu() ? memory.total_bytes() : 0;
  facts.memory_bytes = memory_limit_bytes();
  facts.resumes = state.has_value();
  facts.done_steps = state ? state->step : 0;
  facts.bf16 = device_.is_cpu() && compute_ == at::kBFloat16;
  facts.fast_bf16 = cpu_has_bf16();
  tell_suspicions(facts, comm_);

  StudentHead head{{}, model.hidden_size};
  if (data_->info().hidden > 0) head.sha256 = head_sha256(base);
  check_objective(options_, data_->info(), head);  // before minutes of scale init
  Evaluator::Sources sources;
  if (options_.eval_samples > 0)
    sources = evaluation_sources(options_, base, data_->info(), shares_head(data_->info(), head), comm_);
  if (options_.dry_run && !state && !options_.v2_checkpoint) {
    // The model's own weights were checked when they were opened; minutes of scale init would find no
    // mistake.
    log_info("quantisation: " + source.scheme.describe() + ", group " + std::to_string(source.group_size));
    if (options_.eval_samples > 0) Evaluator(options_, *data_, nullptr, std::move(sources), comm_, device_);
    return;
  }
  student_ = make_student(options_, base, state, device_, comm_);
  if (student_->has_own_head()) {
    head.sha256.clear();
    sources.cache_hidden = false;
    check_objective(options_, data_->info(), head);
  }
  FlatParameters& trainable = student_->make_trainable(options_);
  for (V2Linear* layer : student_->layers()) {
    layer->set_ste(choose_ste(options_));
    layer->set_forward(choose_forward(options_));
  }
  student_->decoder().set_gradient_checkpointing(options_.gradient_checkpointing);
  student_->set_training(compute_);

  AdamWOptions adamw;
  adamw.weight_decay = options_.weight_decay;
  optimizer_ = AdamW(trainable.values(), adamw);
  assert(trainable.numel() == source.trained_values);
  if (state) restore(*state);

  const std::vector<std::int64_t> sizes = trainable.sizes();
  reducer_ = std::make_unique<BucketReducer>(device_comm_, trainable.gradients().data_ptr<float>(), sizes,
                                             static_cast<std::size_t>(options_.bucket_mib * 1048576.0));
  for (std::size_t l = 0; l < student_->layers().size(); ++l) {
    student_->layers()[l]->on_gradients_ready([this, l] {
      for (const std::size_t parameter : student_->layer_parameters()[l]) reducer_->ready(parameter);
    });
  }
  if (options_.eval_samples > 0) {
    evaluator_ =
        std::make_unique<Evaluator>(options_, *data_, student_.get(), std::move(sources), comm_, device_);
    if (state && !evaluator_->text_digest().empty() && evaluator_->text_digest() != state_.text_digest) {
      state_.text_digest = evaluator_->text_digest();  // another text than at the start, or none then
      state_.initial_text_kl = std::numeric_limits<double>::quiet_NaN();
    }
  }
  if (options_.dry_run) return;
  const std::string before = state_.to_json();
  on_root(comm_, [&] {
    store_ = std::make_unique<StateStore>(options_.output_dir);
    if (state) continue_folder(*state);
  });
  std::string found = state_.to_json();  // rank 0 has compared the best with the files
  broadcast_string(comm_, found, 0);
  if (found == before) return;
  state_ = RunState::from_json(found);
  save_state();
  on_root(comm_, [&] { store_->record_best_file(files_->best()); });
}

Trainer::~Trainer() = default;

void Trainer::restore(const StateStore::Loaded& state) {
  state_ = run_state_of(state);
  restore_tensors(state, student_->trainable(), optimizer_);
  optimizer_.step = state_.optimizer_step;
  logged_step_ = state_.step;
  elapsed_before_s_ = state_.elapsed_s;
  resumed_ = true;
  log_info(strf("resumed %s at step %lld of %lld", state.folder.c_str(), static_cast<long long>(state_.step),
                static_cast<long long>(options_.max_steps)));
}

ExitCode run_training(const TrainOptions& options, const std::string& resolved_json, Communicator& comm,
                      int local_rank, int local_ranks) {
  check_train_options(options);
  const at::Device device = choose_device(options, local_rank, comm.size());
  compare_hosts(device, choose_compute(options, device), comm);
  const int threads = set_threads(options, local_ranks);
  std::unique_ptr<Communicator> gpu;
  if (device.is_cuda() && comm.size() > 1) gpu = make_nccl_communicator(comm, device.index());
  Communicator& device_comm = gpu ? *gpu : comm;

  const StopPlan plan("leaving, there is nothing to save yet, then exit code 75");
  log_info(strf("%d rank%s (%s), %d thread%s each, %s, %s GEMMs", comm.size(), comm.size() == 1 ? "" : "s",
                std::string(device_comm.backend()).c_str(), threads, threads == 1 ? "" : "s",
                device.str().c_str(), choose_compute(options, device) == at::kBFloat16 ? "bf16" : "fp32"));
  Trainer trainer(options, resolved_json, comm, device_comm, device, local_ranks);
  if (options.dry_run) return ExitCode::done;
  return trainer.run();
}

}  // namespace anemll
