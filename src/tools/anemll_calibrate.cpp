// anemll_calibrate: parse, start the ranks, collect moments; or put files of moments together, or tell of
// one.
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/calib/calibrate.hpp"
#include "src/comm/agreement.hpp"
#include "src/comm/watched_ranks.hpp"
#include "src/core/build_info.hpp"

#include <filesystem>
#include <iostream>
#include <vector>

namespace {

int run(const anemll::CalibrateOptions& options, anemll::Communicator& comm, int local_size) {
  namespace fs = std::filesystem;
  anemll::ExitCode code = anemll::ExitCode::done;
  if (options.reads_text()) {
    anemll::log_info(anemll::build_summary());
    code = anemll::run_calibrate(options, comm, local_size);
  }
  anemll::on_root(comm, [&] {
    if (!options.show && !options.combine.empty()) {
      if (anemll::has_name(options.output) && !options.overwrite)
        anemll::throw_usage("is there already", options.output, "--overwrite replaces it");
      const std::vector<fs::path> files(options.combine.begin(), options.combine.end());
      anemll::combine_moments(files, options.output);
    }
    if (code == anemll::ExitCode::done)
      std::cout << anemll::moments_report(anemll::MomentsFile::open(options.show.value_or(options.output)))
                << std::flush;
  });
  return static_cast<int>(code);
}

int calibrate(int argc, char** argv, anemll::MpiRuntime& mpi) {
  anemll::CalibrateOptions options;
  anemll::OptionTable table = anemll::make_calibrate_table(options);
  const auto world = mpi.world();
  anemll::set_log_rank(world->rank(), world->size());
  if (anemll::parse_together(table, argc, argv, *world) == anemll::OptionTable::Outcome::exit_ok) return 0;
  anemll::check_calibrate_options(options);
  const auto given = [&](const std::string& name) { return table.given(name); };
  if (world->is_root())
    anemll::tell_unread(anemll::unread_options(anemll::calibrate_option_effects(), options, given));
  const int local_size = mpi.host().size;
  return anemll::run_watched(*world, options.work_timeout,
                             [&](anemll::Communicator& comm) { return run(options, comm, local_size); });
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_ranks(argc, argv, [&](anemll::MpiRuntime& mpi) { return calibrate(argc, argv, mpi); });
}
