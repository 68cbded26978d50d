#include "src/train/internal/assembly.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/platform.hpp"
#include "src/core/signals.hpp"
#include "src/data/cache_tokens.hpp"
#include "src/data/origin.hpp"
#include "src/distill/objective.hpp"
#include "src/source/find_model.hpp"
#include "src/source/model_agreement.hpp"
#include "src/train/internal/input_agreement.hpp"
#include "src/train/internal/machine_choices.hpp"
#include "src/train/internal/memory_fit.hpp"
#include "src/train/internal/resume_differences.hpp"
#include "src/train/internal/run_identity.hpp"
#include "src/train/internal/run_numbers.hpp"
#include "src/train/internal/source_plan.hpp"
#include "src/train/internal/start_by_text.hpp"
#include "src/train/internal/state_store.hpp"
#include "src/train/internal/suspicions.hpp"
#include "src/train/internal/teacher_and_text.hpp"
#include "src/train/internal/text_cache.hpp"
#include "src/train/internal/watch.hpp"

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <utility>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kDryRows = "dry-run.tmp.0";  // in the folder: all hosts see it

/// From here on the folder is this process's: its state is read, its files are written.
std::unique_ptr<OutputFolder> take_output(const TrainOptions& options, Communicator& comm) {
  std::unique_ptr<OutputFolder> output;
  on_root(comm, [&] {
    output = std::make_unique<OutputFolder>(options.output_dir, training_run(), "--output-dir");
    if (options.source_file()) output->accept(*options.source_file());
    output->take(options.resume != "none" && StateStore(options.output_dir).has_states());
    StateStore(options.output_dir).recover();
  });
  return output;
}

/// A state that rank 0 has found.
SavedState open_elsewhere(const std::string& folder) {
  try {
    return StateStore::load(folder);
  } catch (const Error& e) {
    throw Error(e.code(), e.problem(), e.where(),
                "rank 0 has it: give an --output-dir that all hosts share, or add --stage local");
  }
}

/// The state to go on from, opened and checked. Rank 0 chooses; the others open what it chose, so that each
/// rank reads one state once.
std::optional<SavedState> open_state(const TrainOptions& options, const OutputFolder* output,
                                     const RankPlace& place) {
  Communicator& comm = place.comm;
  if (options.resume == "none") return std::nullopt;
  std::optional<SavedState> state;
  std::string folder;
  on_root(comm, [&] {
    if (options.resume == "auto") {
      state = StateStore(options.output_dir).load_latest();
    } else {
      state = StateStore::load(options.resume);
    }
    if (state) {
      folder = state->folder.string();
      return;
    }
    const bool results = !output->entries(EntryRole::result).empty();
    log_info("no state yet in " + options.output_dir + ": the run starts anew" +
             (results ? "; what an earlier one left there moves to earlier-<n>" : ""));
  });
  broadcast_string(comm, folder, 0);
  if (folder.empty()) return state;
  // With its neighbours: the tensors that do not change lie beside it.
  const std::filesystem::path found = folder;
  folder = (std::filesystem::path(bring(place, found.parent_path().string())) / found.filename()).string();
  if (!comm.is_root()) state = open_elsewhere(folder);
  return state;
}

void check_best(const Assembly& run) {
  if (run.options.best_by != BestBy::holdout || !run.evaluator || run.evaluator->knows_holdout_kl()) return;
  throw_usage("the KL on held-out sequences is not known", "--best-by holdout",
              "give a cache with a hold-out part (anemll_precompute --holdout 0.02) and hidden states, or "
              "--teacher-model; or drop the option");
}

/// Where rows are made that the run reads: in its folder, of a dry run in one that goes.
fs::path place_of_rows(const TrainOptions& options) {
  const fs::path folder = options.output_dir;
  return options.dry_run ? folder / kDryRows : folder;
}

std::string open_cache(const TrainOptions& options, const RankPlace& place) {
  Communicator& comm = place.comm;
  std::string path;
  on_root(comm, [&] {
    std::unique_ptr<Progress> bar;
    const fs::path folder = options.output_dir;
    const bool imported = has_name(folder / "kd_cache");  // which a dry run reads too
    path = ensure_hdf5_cache(options.cache_dir, imported ? folder : place_of_rows(options),
                             [&](std::int64_t done, std::int64_t total) {
                               if (!bar)
                                 bar =
                                     std::make_unique<Progress>("importing the KD cache", total, "sequences");
                               bar->update(done);
                             })
               .string();
    if (bar) bar->finish();
  });
  broadcast_string(comm, path, 0);
  return bring(place, path);
}

/// The files beside model, cache and state that all ranks read.
void bring_sources(TrainOptions& options, const RankPlace& place) {
  for (std::optional<std::string>* file :
       {&options.v1_checkpoint, &options.v2_checkpoint, &options.layer_overrides}) {
    if (*file) *file = bring(place, **file);
  }
}

void check_positions(const KdCacheInfo& cache, const Architecture& model, const TrainOptions& options) {
  if (model.max_positions == 0 || cache.length <= model.max_positions) return;
  throw_data("sequences of " + std::to_string(cache.length) + " tokens exceed the model's " +
                 std::to_string(model.max_positions) + " positions",
             options.cache_dir, "make a cache with a smaller --max_length");
}

/// A cache of another vocabulary teaches nothing: refused unless the user insists. Another number of ids
/// alone is no fault: files pad vocabularies differently, and ids that the model lacks show as they are read.
/// It does not tell padding from another family, so that is said unless the tokens are known to be the same.
void check_tokens(const KdCacheInfo& cache, const OpenModel& model, const TrainOptions& options) {
  const ModelIds ids = ids_of(model);
  const TokenVerdict verdict = compare_tokens(cache, ids);
  if (verdict.match == TokenMatch::other) {
    const std::string advice = cache_advice(cache, ids);
    if (!options.force)
      throw_data(verdict.problem, options.cache_dir, advice + "; --force trains all the same");
    log_warning(options.cache_dir + ": " + verdict.problem + " (" + advice + ")");
    return;
  }
  if (cache.vocab_size == 0 || cache.vocab_size == ids.rows) return;
  const std::string numbers = options.cache_dir + " was made for " + std::to_string(cache.vocab_size) +
                              " ids, the model has " + std::to_string(ids.rows);
  if (verdict.match == TokenMatch::same) {
    log_info(numbers + " and the same tokens: every id is checked as it is read");
    return;
  }
  const bool named = !cache_origin(cache.meta_json).value_or(CacheOrigin{}).tokenizer_sha256.empty();
  log_warning(
      numbers + ": every id is checked as it is read, but not that it means the same token (" +
      (named ? "the model has no tokenizer that can be read)" : "the cache does not name its tokenizer)"));
}

/// The shard reader, at the step that the run goes on at. It reads no batch yet: how many rows one has may be
/// a question of memory.
std::unique_ptr<Prefetcher> open_data(const Assembly& run, const std::string& cache,
                                      const Architecture& model) {
  const TrainOptions& o = run.options;
  Prefetcher::Options reading;
  reading.rank = run.place.comm.rank();
  reading.world = run.place.comm.size();
  reading.vocab_size = model.vocab_size;
  reading.payloads = o.kd_objective->payloads;
  reading.first_step = run.state ? run_numbers_of(*run.state).step * o.accumulation_steps : 0;
  return std::make_unique<Prefetcher>(cache, reading);
}

void tell_suspicions(const Assembly& run) {
  const RankPlace& place = run.place;
  if (run.options.v1 && run.options.v1->train_weights && run.options.v1->train_scales)
    log_info("weights and scales are both trained; the Python version drops the scales' gradients then");
  SuspicionFacts facts{run.options, run.data->info()};
  facts.ranks = place.comm.size();
  facts.on_gpu = !place.device.is_cpu();
  facts.resumes = run.state.has_value();
  facts.done_steps = run.state ? run.state->step : 0;
  facts.bf16 = place.device.is_cpu() && place.compute == at::kBFloat16;
  facts.fast_bf16 = cpu_has_bf16();
  if (!place.comm.is_root()) return;
  for (const Suspicion& s : suspicions(facts)) log_warning(s.problem + " (" + s.hint + ")");
}

/// Of a model that the caller gave: its layers are as they are.
SourcePlan plan_given(const GivenModel& given, const TrainOptions& options) {
  SourcePlan plan;
  plan.quant.spec = given.student->spec();
  plan.quant.source = given.source;
  plan.trained_values = count_selected(options, given.opened.architecture, plan.quant.spec);
  return plan;
}

/// The student with what is trained chosen, ready for a step.
void add_student(Assembly& run, const ModelFiles& files, const SourcePlan& source) {
  const RankPlace& place = run.place;
  if (!run.state && run.given != nullptr) {
    run.student = run.given->student;
    log_info(describe(source));
  } else if (!run.state && starts_by_text(run.options)) {
    StartOfRun start = start_by_text(run.options, files, source, *run.data, place.device, place.comm);
    run.student = std::make_shared<Student>(std::move(start.student));
    run.start_work = std::move(start.work);
  } else {
    if (starts_by_text(run.options)) {  // a kill came between the first state and the removal
      on_root(place.comm, [&] { StartWork(run.options.output_dir, "--output-dir").discard_left(); });
    }
    run.student = std::make_shared<Student>(
        make_student(run.options, files, source, run.state, place.device, place.comm));
  }
  if (run.given != nullptr) run.given->student = run.student;
  run.selection = select_trained(*run.student, run.options);
  assert(run.selection.parameters->numel() == source.trained_values);
  run.student->set_numerics({run.options.forward, choose_ste(run.options), run.options.scale_bits == 8});
  run.student->decoder().set_gradient_checkpointing(run.options.gradient_checkpointing);
  run.student->set_training(run.place.compute);
}

void check_source(const Assembly& run) {
  if (run.state || run.options.from_scratch || run.options.source_file()) return;
  throw_usage("there is no state to resume and no source", "--resume " + run.options.resume,
              "add --from-scratch, --v1-checkpoint FILE or --v2-checkpoint FILE for the first start");
}

}  // namespace

Assembly assemble(const TrainOptions& told, const std::string& resolved_json, const RankPlace& place,
                  GivenModel* given) {
  Assembly run{told, resolved_json, {}, place, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, given};
  const TrainOptions& options = run.options;
  Communicator& comm = place.comm;
  if (place.watchdog != nullptr) watch(run.timeline, *place.watchdog);
  run.output = take_output(options, comm);
  if (options.dry_run)
    on_root(comm, [&] { run.scratch = std::make_unique<ScratchFolder>(place_of_rows(options)); });
  if (options.trace) run.timeline.keep_events(*options.trace, comm.rank(), comm.size());
  run.state = open_state(options, run.output.get(), place);
  check_source(run);

  bring_sources(run.options, place);
  const ModelUse files = options.eval_text || options.sample_prompts ? ModelUse::all : ModelUse::weights;
  OpenModel opened =
      given != nullptr
          ? given->opened
          : open_model(bring(place, find_model(options.model_id, options.model_revision, files, comm)));
  const Architecture& model = opened.architecture;
  // What cannot be trained is refused before rows are made: that takes long, and they stay.
  SourcePlan source =
      given != nullptr && !run.state ? plan_given(*given, options) : plan_source(options, model, run.state);
  if (options.dataset.name) run.options.cache_dir = make_text_cache(options, place_of_rows(options), place);
  const std::string cache_path = open_cache(options, place);
  run.data = open_data(run, cache_path, model);
  const KdCacheInfo& cache = run.data->info();
  leave_together(comm, "opening model and cache", "nothing was made yet: run the same command again");
  compare_inputs(options, cache, cache_path, run.state, comm);
  check_positions(cache, model, options);

  settle_memory(run, model, source, opened.gguf != nullptr);
  run.data->start(options.order, options.batch_size, static_cast<std::uint64_t>(options.seed));

  const ModelFiles base = given != nullptr ? given->base : load_model_files(opened);
  if (given == nullptr) on_root(comm, [&] { base.inventory.tell(options.model_id, options.strict); });
  if (options.inspect_steps > 0) run.base = base;  // views: no second copy of the weights
  compare_model("model", base, comm);
  on_root(comm, [&] { check_tokens(cache, opened, options); });
  if (source.v1 && comm.is_root())
    v1_inventory(*source.checkpoint, model, *source.v1).tell(source.checkpoint->file, false);
  const bool live = needs_live_teacher(options, cache);
  StudentHead head{{}, model.hidden_size};
  if (cache.hidden > 0 || live) head.sha256 = head_sha256(base);
  KdCacheInfo known = cache;  // with what the teacher will say
  const ObjectiveUse use{options.temperature, known, head, options.cache_dir};
  Evaluator::Sources sources;
  if (options.eval_samples > 0)
    sources = open_teacher_and_text(options, opened, base, cache, shares_head(cache, head), place);
  if (live) {
    known.hidden = sources.teacher->architecture.hidden_size;
    known.head_sha256 = head_sha256(*sources.teacher);
    check_objective(options.kd_objective, use);
    log_info("the cache has no hidden states: " + *options.teacher_model + " is run on each batch");
  }
  run.identity = run_identity(options, base, cache, source, live ? sources.teacher->fingerprint : "");
  if (run.state) {
    check_resumed_options(*run.state, options, run.resolved_json, source, run.identity, base);
    run.resolved_json = carried_options(*run.state, run.resolved_json);
  }
  tell_suspicions(run);

  if (options.sample_prompts && options.eval_samples > 0) {
    on_root(comm, [&] {
      run.samples = std::make_unique<SamplePrompts>(*options.sample_prompts, opened, options.sample_tokens);
    });
  }
  if (!live) check_objective(options.kd_objective, use);  // before minutes of scale init
  opened.gguf.reset();                                    // a vocabulary, of which the run needs no more

  Evaluator::Subject subject;
  // The model's own weights were checked when they were opened; minutes of scale init would find no mistake.
  if (options.dry_run && !run.state && !source.checkpoint) {
    log_info(describe(source));
  } else {
    add_student(run, base, source);
    subject = {&run.student->decoder(), run.student->has_own_head()};
  }
  if (subject.own_head) {
    head.sha256.clear();
    sources.cache_hidden = false;
    check_objective(options.kd_objective, use);
  }
  if (options.eval_samples > 0) {
    if (live && subject.decoder != nullptr)
      run.teacher = std::make_unique<LiveTeacher>(*sources.teacher, place.device, place.compute);
    run.evaluator = std::make_unique<Evaluator>(evaluation_protocol(options), *run.data, subject,
                                                std::move(sources), comm, place.device);
  }
  check_best(run);
  run.timeline.end_start();
  return run;
}

}  // namespace anemll
