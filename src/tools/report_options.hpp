// The options of anemll_report.
#pragma once

#include "anemll/core/options.hpp"

#include <string>
#include <vector>

namespace anemll {

struct ReportOptions {
  std::vector<std::string> runs;
  std::vector<std::string> outputs;
  std::string title;
  bool overwrite = false;
};

OptionTable make_report_table(ReportOptions& options);

}  // namespace anemll
