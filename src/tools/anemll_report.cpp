// anemll_report: one page about runs, out of the files that they left.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/printable.hpp"
#include "src/core/tool.hpp"
#include "src/report/report.hpp"
#include "src/tools/report_options.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace {

using namespace anemll;
namespace fs = std::filesystem;

std::vector<fs::path> outputs_of(const ReportOptions& options) {
  std::vector<fs::path> outputs(options.outputs.begin(), options.outputs.end());
  if (!outputs.empty()) return outputs;
  for (const std::string& run : options.runs) {
    if (fs::is_directory(run)) return {fs::path(run) / "report.html"};
  }
  throw_usage("no RUN is a folder, so nobody says where the report goes", "--output",
              "give --output report.html");
}

int report(int argc, char** argv) {
  ReportOptions options;
  OptionTable table = make_report_table(options);
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  const std::vector<fs::path> runs(options.runs.begin(), options.runs.end());
  const RunReport made(runs, options.title);
  const std::vector<fs::path> outputs = outputs_of(options);
  for (const fs::path& file : outputs) {
    const ReportForm form = report_form(file);
    if (!options.overwrite) require_replaceable(file, form);
  }
  for (const fs::path& file : outputs) {
    if (!file.parent_path().empty()) fs::create_directories(file.parent_path());
    write_file(file, made.text(report_form(file)));
    print_result(printable(file.string()) + "\n");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  prepare_signals(ProgramKind::filter);
  return run_tool([&] {
    require_one_process("anemll_report");
    return report(argc, argv);
  });
}
