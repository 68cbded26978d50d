// What anemll_eval prints: tables for people, Markdown, JSON.
#pragma once

#include "src/eval/comparison.hpp"
#include "src/tools/eval_options.hpp"

#include <string>
#include <vector>

namespace anemll {

struct EvalReport {
  std::string teacher;               ///< empty without one
  std::vector<std::string> sources;  ///< of the text
  std::int64_t chunks = 0, positions = 0, tokens = 0;
  std::string digest;  ///< of the text: equal when two reports are about the same; empty without a text
  std::vector<ModelRow> models;
  std::vector<PairRow> pairs;
  std::vector<PartRow> parts;
};

/// As the options ask for it.
std::string report_text(const EvalReport& report, const EvalOptions& options);

}  // namespace anemll
