#include "src/tools/report_options.hpp"

namespace anemll {

OptionTable make_report_table(ReportOptions& o) {
  OptionTable table("anemll_report",
                    "One page about runs, out of the files that they left. It needs nothing else.");
  table.add_positional(
      "RUN", &o.runs,
      "output folder of a training, a start or a snapped model, a score.json of anemll_eval, or the "
      "OUT of a recipe; any number",
      true);
  table.add("output", &o.outputs,
            "FILE.html, FILE.md or FILE.json; may be given several times (default: report.html in the first "
            "RUN that "
            "is a folder)");
  table.add("title", &o.title, "of the page (default: the name of the recipe, or of the folders)");
  table.add_flag("overwrite", &o.overwrite, "replace a file at --output that is no report");
  for (const char* name : {"RUN", "output"}) table.mark_path(name);
  return table;
}

}  // namespace anemll
