// The run: rank 0 reads and writes, all ranks compute the rows of their shares block by block, and a finished
// block is a file of the work folder.
#include "src/calib/calibrate.hpp"

#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/model/model_files.hpp"
#include "src/calib/internal/block_moments.hpp"
#include "src/comm/agreement.hpp"
#include "src/core/signals.hpp"
#include "src/core/work_folder.hpp"
#include "src/model/compute.hpp"
#include "src/model/model_digests.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <span>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr int kPlanVersion = 1;

fs::path plan_file(const fs::path& folder) {
  return folder / "plan.json";
}
fs::path block_file(const fs::path& folder, std::int64_t block) {
  return folder / strf("block_%05lld.h5", static_cast<long long>(block));
}

/// What must be equal for a run to go on with the work of another.
Json plan_of(const MomentsFacts& facts, bool full) {
  return {{"version", kPlanVersion},
          {"fingerprint", facts.fingerprint},
          {"text", facts.texts},
          {"token_weight", choice_name(facts.weight)},
          {"full", full}};
}

Json plan_of(const MomentsFile& file) {
  const bool full = !file.entries().empty() && file.entries().front().full;
  return plan_of(file.facts(), full);
}

void require_same(const Json& made, const Json& wanted, const std::string& where) {
  if (made == wanted) return;
  std::string differ;
  for (const auto& [key, value] : wanted.items()) {
    if (!made.is_object() || made.value(key, Json()) != value) differ += (differ.empty() ? "" : ", ") + key;
  }
  throw_usage(strf("was made with another %s", differ.c_str()), where,
              "give the same options and files, or start anew with --overwrite");
}

/// Usage errors for what is there and neither --resume nor --overwrite speaks of. Needs no model and no text.
void require_free(const CalibrateOptions& o, const WorkFolder& work) {
  if (o.resume || o.overwrite) return;
  if (has_name(o.output))
    throw_usage("is there already", o.output,
                "--resume leaves a finished file as it is, --overwrite replaces it");
  if (has_name(plan_file(work.path())))
    throw_usage("an unfinished calibration is there", work.path().string(),
                "--resume goes on with it, --overwrite starts anew");
}

/// Takes the work folder. False when the file that is wanted is there already.
bool prepare(const CalibrateOptions& o, const Json& plan, WorkFolder& work) {
  if (has_name(o.output) && !o.overwrite) {
    require_same(plan_of(MomentsFile::open(o.output)), plan, o.output);
    return false;
  }
  const fs::path file = plan_file(work.path());
  const bool begun = has_name(file);
  work.take();
  if (begun && o.resume) {
    require_same(Json::parse(read_text(file), nullptr, false), plan, file.string());
    return true;
  }
  work.clear();
  write_file(file, plan.dump(2) + '\n');
  return true;
}

bool is_made(const fs::path& file, const MomentsFacts& facts) {
  if (!has_name(file)) return false;
  try {
    const MomentsFile made = MomentsFile::open(file);
    for (std::size_t i = 0; i < made.entries().size(); ++i) made.read(i, made.entries()[i].full);
    return made.facts().fingerprint == facts.fingerprint && made.facts().texts == facts.texts;
  } catch (const Error& e) {
    log_warning(strf("%s: computed again: %s", file.c_str(), e.problem().c_str()));
    return false;
  }
}

/// Which blocks are there, the same on every rank.
std::vector<std::int64_t> made_blocks(const fs::path& folder, std::int64_t blocks, const MomentsFacts& facts,
                                      Communicator& comm) {
  std::vector<std::int64_t> made(static_cast<std::size_t>(blocks), 0);
  if (comm.is_root()) {
    for (std::int64_t b = 0; b < blocks; ++b)
      made[static_cast<std::size_t>(b)] = is_made(block_file(folder, b), facts) ? 1 : 0;
  }
  comm.broadcast(std::as_writable_bytes(std::span(made)), 0);
  return made;
}

void write_block(const fs::path& path, const MomentsFacts& facts, const std::vector<SharedInput>& inputs) {
  MomentsWriter writer(path, facts);
  for (const SharedInput& input : inputs)
    writer.add(input.linears, input.sum.moments, input.sum.capped, input.sum.uncapped_share);
  writer.finish();
}

/// All block files as one file.
void assemble(const fs::path& folder, std::int64_t blocks, const MomentsFacts& facts, const fs::path& to) {
  MomentsWriter writer(to, facts);
  for (std::int64_t b = 0; b < blocks; ++b) {
    const MomentsFile block = MomentsFile::open(block_file(folder, b));
    for (std::size_t i = 0; i < block.entries().size(); ++i) {
      const MomentsFile::Entry& entry = block.entries()[i];
      writer.add(entry.linears, block.read(i, entry.full), entry.capped, entry.uncapped_share);
    }
  }
  writer.finish();
}

/// Computes what is missing. Returns the signal that ended it early, or 0.
int compute(const CalibrateOptions& o, const ModelFiles& model, const CalibrationText& text,
            const MomentsFacts& facts, const fs::path& folder, Communicator& comm) {
  const std::int64_t blocks = model.architecture.layer_count();
  const std::vector<std::int64_t> made = made_blocks(folder, blocks, facts, comm);
  const std::int64_t there = std::count(made.begin(), made.end(), std::int64_t{1});
  if (there == blocks) return 0;
  // Behind the last block that is missing nothing has to be computed.
  const auto last = static_cast<std::int64_t>(made.rend() - std::find(made.rbegin(), made.rend(), 0));
  const SequenceShare share = share_of(text.rows.count(), comm.rank(), comm.size());
  const TokenWeigher weigher(o.token_weight, model, text.rows.ids, text.rows.mask, share, comm);
  Progress bar(
      there > 0 ? strf("calibration (%lld blocks were there)", static_cast<long long>(there)) : "calibration",
      last * std::max<std::int64_t>(share.count(), 1), "rows of blocks");
  std::int64_t done = 0;
  const auto each = [&] { bar.update(++done); };
  BlockPass pass(model, text.rows, share);
  for (std::int64_t b = 0; b < last; ++b) {
    if (made[static_cast<std::size_t>(b)] != 0) {
      pass.advance(each);
    } else {
      const std::vector<SharedInput> inputs = pass.advance(weigher, o.full, each, comm);
      on_root(comm, [&] { write_block(block_file(folder, b), facts, inputs); });
    }
    std::int64_t signal[] = {pending_signal()};
    comm.all_reduce(std::span<std::int64_t>(signal), ReduceOp::max);
    if (signal[0] != 0 && b + 1 < last) return static_cast<int>(signal[0]);
  }
  bar.finish();
  return 0;
}

void tell_sources(const CalibrationText& text) {
  for (const TextSource& s : text.sources)
    log_info(strf("%s: %lld documents, %lld sequences, %lld tokens (%.1f%%), %lld sequences held out",
                  s.name.c_str(), static_cast<long long>(s.documents), static_cast<long long>(s.rows),
                  static_cast<long long>(s.tokens),
                  100.0 * static_cast<double>(s.rows) / static_cast<double>(text.rows.count()),
                  static_cast<long long>(s.holdout_rows)));
}

CalibrationTextOptions text_options(const CalibrateOptions& o) {
  CalibrationTextOptions text = o.text;
  text.seed = static_cast<std::uint64_t>(o.seed);
  text.work_dir = o.work_dir;
  text.hub.revision = o.text.dataset.revision;
  if (o.hub_cache) text.hub.cache_dir = *o.hub_cache;
  return text;
}

/// The model on every rank; its text model on rank 0, when text is read.
struct Opened {
  ModelFiles model;
  OpenModel files;
  std::optional<TextModel> text;
};
Opened open(const CalibrateOptions& o, Communicator& comm) {
  std::string path;
  on_root(comm, [&] {
    HubOptions hub;
    hub.revision = o.model_revision;
    hub.local_files_only = o.text.hub.local_files_only;
    if (o.hub_cache) hub.cache_dir = *o.hub_cache;
    path =
        fetch_model(o.model_id, hub, o.text.dataset.name ? ModelUse::all : ModelUse::weights).path.string();
  });
  broadcast_string(comm, path, 0);
  const OpenModel opened = open_model(path);
  Opened out{load_model_files(opened), opened, std::nullopt};
  on_root(comm, [&] {
    Inventory parts = out.model.inventory;
    if (o.text.dataset.name) {
      out.text = load_text_model(path, TokenizerRules::as_written, opened.gguf.get());
      parts.add(out.text->inventory);
    }
    parts.tell(o.model_id, false);
    const std::int64_t positions = out.model.architecture.max_positions;
    if (o.text.dataset.name && positions > 0 && o.text.length > positions)
      throw_usage(strf("the model has %lld positions", static_cast<long long>(positions)),
                  strf("--max_length %lld", static_cast<long long>(o.text.length)), "give a smaller one");
  });
  Agreement same(ExitCode::data, "give every rank the same files: a folder that all hosts share");
  if (comm.size() > 1) {
    for (const ModelDigest& part : model_digests(out.model)) same.add("model " + part.what, part.digest);
  }
  same.check(comm);
  return out;
}

}  // namespace

ExitCode run_calibrate(const CalibrateOptions& o, Communicator& comm, int local_rank, int local_size) {
  const fs::path output = fs::absolute(o.output);
  std::unique_ptr<WorkFolder> work;
  on_root(comm, [&] {
    work = std::make_unique<WorkFolder>(output, ".calibrate", moments_work(), "--output");
    require_free(o, *work);
  });
  set_compute_threads(static_cast<int>(o.threads), local_rank, local_size);
  Opened opened = open(o, comm);
  const ModelFiles& model = opened.model;
  const CalibrationText text = read_calibration_text(text_options(o), opened.text ? &*opened.text : nullptr,
                                                     ids_of(opened.files), comm);
  opened.files.gguf.reset();  // a vocabulary, of which the rest needs no more
  tell_sources(text);
  MomentsFacts facts{o.model_id,     model.fingerprint,     {text.sha256},
                     o.token_weight, text.rows.ids.size(1), text.rows.count(),
                     text.sources};
  std::string folder;
  on_root(comm, [&] {
    if (prepare(o, plan_of(facts, o.full), *work)) folder = work->path().string();
  });
  broadcast_string(comm, folder, 0);
  if (folder.empty()) {
    log_info(o.output + ": complete already, nothing to do");
    return ExitCode::done;
  }
  const StopPlan plan("leaving after this block, finished ones are kept, then exit code 75");
  if (const int signal = compute(o, model, text, facts, folder, comm); signal != 0) {
    log_info(signal_text(signal) + ": finished blocks are kept, exit code 75 (run again with --resume)");
    return ExitCode::save_and_requeue;
  }
  on_root(comm, [&] {
    const fs::path made = fs::path(folder) / "moments.h5";
    assemble(folder, model.architecture.layer_count(), facts, made);
    work->publish(made, o.overwrite);
    log_info(o.output + ": complete");
  });
  return ExitCode::done;
}

std::string moments_report(const MomentsFile& file) {
  const MomentsFacts& f = file.facts();
  std::string text = strf("model %s\ntokens weighted by %s, %lld sequences of up to %lld tokens\n",
                          f.model.c_str(), choice_name(f.weight).c_str(), static_cast<long long>(f.sequences),
                          static_cast<long long>(f.length));
  for (const TextSource& s : f.sources)
    text += strf("text %s: %lld documents, %lld sequences, %lld tokens\n", s.name.c_str(),
                 static_cast<long long>(s.documents), static_cast<long long>(s.rows),
                 static_cast<long long>(s.tokens));
  text += strf("%-44s %8s %10s %11s %9s %9s %9s %6s %s\n", "inputs of", "columns", "tokens", "trace", "plain",
               "weighted", "capped", "cut", "kept");
  const auto percent = [](double part, double all) { return all > 0 ? 100 * part / all : 0.0; };
  for (const MomentsFile::Entry& e : file.entries())
    text += strf("%-44s %8lld %10lld %11.4g %8.2f%% %8.2f%% %8.2f%% %6lld %s\n", e.linears.front().c_str(),
                 static_cast<long long>(e.columns), static_cast<long long>(e.tokens), e.trace,
                 percent(e.plain_largest, e.plain_trace), 100 * e.uncapped_share, percent(e.largest, e.trace),
                 static_cast<long long>(e.capped), e.full ? "full" : "diagonal");
  text +=
      "plain, weighted, capped: what the largest token holds of the trace, as it is, with its weight, under "
      "the cap "
      "of 5%. cut: tokens that the cap lowered.\n";
  return text;
}

}  // namespace anemll
