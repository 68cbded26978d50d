// What both kinds of logs are given: names with numbers, and the facts of a start that tests choose.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace anemll {

struct Metric {
  std::string name;  ///< "train/loss"
  double value = 0;
};

/// Rows of texts under names of columns.
struct TextTable {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};

/// Where and when a log begins.
struct LogOrigin {
  std::function<double()> now;  ///< seconds since 1970
  std::string host;
  std::string system;  ///< "Linux x86_64"
  std::string id;      ///< of a W&B run: 8 of a-z and 0-9
  int process = 0;
};
/// This host, this process, its clock and a new id.
LogOrigin log_origin();

}  // namespace anemll
