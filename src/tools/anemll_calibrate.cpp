// anemll_calibrate: parse, start the ranks, collect moments; or put files of moments together, or tell of
// one.
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/calib/calibrate.hpp"
#include "src/comm/watched_ranks.hpp"
#include "src/core/build_info.hpp"
#include "src/core/tool.hpp"

#include <filesystem>
#include <vector>

namespace {

int run(const anemll::CalibrateOptions& options, anemll::Communicator& comm, anemll::MpiRuntime::Host host) {
  namespace fs = std::filesystem;
  anemll::ExitCode code = anemll::ExitCode::done;
  if (options.reads_text()) {
    anemll::log_info(anemll::build_summary());
    code = anemll::run_calibrate(options, comm, host.rank, host.size);
  }
  anemll::on_root(comm, [&] {
    if (!options.show && !options.combine.empty()) {
      if (anemll::has_name(options.output) && !options.overwrite)
        anemll::throw_usage("is there already", options.output, "--overwrite replaces it");
      const std::vector<fs::path> files(options.combine.begin(), options.combine.end());
      anemll::combine_moments(files, options.output);
    }
    if (code == anemll::ExitCode::done)
      anemll::print_result(
          anemll::moments_report(anemll::MomentsFile::open(options.show.value_or(options.output))));
  });
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace anemll;
  CalibrateOptions options;
  OptionTable table = make_calibrate_table(options);
  return run_watched(
      argc, argv, table, options.work_timeout,
      [&](bool is_root) {
        check_calibrate_options(options);
        const auto given = [&](const std::string& name) { return table.given(name); };
        if (is_root) tell_unread(unread_options(calibrate_option_effects(), options, given));
      },
      [&](Communicator& comm, MpiRuntime::Host host) { return run(options, comm, host); });
}
