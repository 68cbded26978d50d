// anemll_init: a start made out of a model and a text, as a checkpoint that training takes.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/model/model_files.hpp"
#include "src/comm/agreement.hpp"
#include "src/comm/watched_ranks.hpp"
#include "src/core/build_info.hpp"
#include "src/core/signals.hpp"
#include "src/formats/told_write.hpp"
#include "src/hub/recorded_id.hpp"
#include "src/model/compute.hpp"
#include "src/model/model_digests.hpp"
#include "src/start/start.hpp"
#include "src/start/start_report.hpp"
#include "src/start/start_work.hpp"
#include "src/student/checkpoint_config.hpp"
#include "src/tools/init_options.hpp"
#include "src/tools/init_text.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

namespace anemll {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCheckpoint = "v2_init.pt";
constexpr const char* kConfig = "config.json";
constexpr const char* kReport = "start_report.json";
constexpr const char* kKeptGoOn = "finished blocks are kept: the same command with --resume goes on";

/// A folder that this program made: nothing else is replaced.
bool is_our_result(const fs::path& output) {
  return has_name(output / kCheckpoint) && has_name(output / kReport) && has_name(output / kConfig);
}

/// Whether there is nothing to do: the finished start of this very identity. Usage errors for any other
/// output that is there, unless it is to be replaced.
bool is_done(const InitSettings& s, const fs::path& output, const std::string& identity) {
  if (!has_name(output) || (fs::is_directory(output) && fs::is_empty(output))) return false;
  if (!is_our_result(output))
    throw_usage("already exists and is no start of this program", output.string(),
                "choose another --output (--overwrite replaces starts and nothing else)");
  if (s.overwrite) return false;
  if (!s.resume)
    throw_usage("a finished start is there", output.string(),
                "choose another --output, or add --overwrite to replace it");
  if (!is_report_of(read_text(output / kReport), identity))
    throw_usage("there is nothing to resume: this is a start of other options or inputs", output.string(),
                "choose another --output, or add --overwrite to replace it");
  log_info(output.string() + ": complete already, nothing to do");
  return true;
}

std::string config_of(const InitSettings& s, const MadeStart& made) {
  nlohmann::ordered_json config = checkpoint_config(
      made.student.spec(), {id_to_record(s.model_id), revision_to_record(s.model_id, s.model_revision)});
  config["init"] = made.kept;
  add_reading_rules(config, made.student.spec());
  return config_text(config);
}

void publish(const InitSettings& s, const MadeStart& made, const std::string& identity, StartWork& work,
             const fs::path& output) {
  const fs::path folder = work.make_result();
  write_torch_file_told(folder / kCheckpoint,
                        made.student.reference_state_dict(false, nullptr, /*with_indices=*/true),
                        "writing " + (output / kCheckpoint).string(), "writing the checkpoint");
  write_file(folder / kConfig, config_of(s, made));
  write_file(folder / kReport, start_report(made, made.student.spec(), identity).dump(2) + "\n");
  if (has_name(output) && fs::is_directory(output) && fs::is_empty(output)) fs::remove(output);
  work.publish(s.overwrite);
  log_info(strf("%s: start %s of %s", (output / kCheckpoint).c_str(), made.kept.c_str(),
                made.student.spec().describe().c_str()));
}

/// Ranks that read another model would make one start together. Collective.
void compare_models(const ModelFiles& model, Communicator& comm) {
  if (comm.size() == 1) return;
  Agreement inputs(
      ExitCode::data,
      "give every rank the same files: a folder that all hosts share, or copy them again to each host");
  for (const ModelDigest& part : model_digests(model)) inputs.add("model " + part.what, part.digest);
  inputs.check(comm);
}

int make(const InitSettings& s, Communicator& comm) {
  std::string path;
  on_root(comm, [&] {
    const ModelUse use = s.dataset.name ? ModelUse::all : ModelUse::weights;
    path = fetch_model(s.model_id, hub_options(s, s.model_revision), use).path.string();
  });
  broadcast_string(comm, path, 0);
  const OpenModel opened = open_model(path);
  const ModelFiles model = load_model_files(opened);
  on_root(comm, [&] { model.inventory.tell(s.model_id, s.strict); });
  compare_models(model, comm);
  const ResolvedQuant quant = scratch_quant(model.architecture, wishes_of(s));
  log_info("quantisation: " + quant.spec.describe() + " (" + quant.source + ")");
  const StartText text = s.dataset.name || s.cache_dir ? read_start_text(s, opened, comm) : StartText();

  StartOptions options = start_options(s.start, {SvdFloor::reference, false, s.ste});
  options.solve.rounds = static_cast<int>(s.rounds);
  options.solve.descend = s.descent;
  options.solve.fit_b = s.fit_b;
  options.solve.fit_lut = s.fit_lut;
  const std::string identity = start_identity(model, quant.spec, text, options);
  const fs::path output = fs::absolute(s.output).lexically_normal();
  std::unique_ptr<StartWork> work;
  bool done = false;
  on_root(comm, [&] {
    done = is_done(s, output, identity);
    if (done) return StartWork(output, "--output").discard_left();
    work = std::make_unique<StartWork>(output, "--output");
    work->open(identity, s.overwrite ? EarlierStart::start_anew
                         : s.resume  ? EarlierStart::go_on
                                     : EarlierStart::refuse);
    options.blocks = work->blocks();
  });
  if (any_rank(comm, done)) return 0;
  std::string blocks = options.blocks.string();
  broadcast_string(comm, blocks, 0);
  options.blocks = blocks;
  const StopPlan plan("leaving, finished blocks are kept, then exit code 75");
  const MadeStart made = make_start(model, quant.spec, text, options, at::kCPU, comm);
  leave_together(comm, "making the start", kKeptGoOn);
  on_root(comm, [&] { publish(s, made, identity, *work, output); });
  return 0;
}

}  // namespace
}  // namespace anemll

int main(int argc, char** argv) {
  using namespace anemll;
  InitSettings s;
  OptionTable table = make_init_table(s);
  return run_watched(
      argc, argv, table, s.work_timeout,
      [&](bool is_root) {
        check_init_settings(s);
        log_info(build_summary());
        if (is_root) tell_unread_init_options(s, table);
      },
      [&](Communicator& comm, MpiRuntime::Host host) {
        set_compute_threads(static_cast<int>(s.threads), host.rank, host.size);
        return make(s, comm);
      });
}
