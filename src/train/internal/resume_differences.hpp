// What a resumed run was told that the saved one was not: told, or refused where it would have no effect or
// would make it another run. The table of options here is complete; a test holds it against the program's.
#pragma once

#include "anemll/model/model_files.hpp"
#include "anemll/train/train_options.hpp"
#include "src/train/internal/saved_state.hpp"
#include "src/train/internal/source_plan.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

enum class OnResume {
  identity,   ///< makes it another run (run_identity decides)
  no_effect,  ///< only the start of a run reads it
  scheme,     ///< the same, and what counts is the saved scheme
  free,       ///< takes effect from here on
};
struct ResumeRule {
  std::string_view option;
  OnResume rule;
};
std::span<const ResumeRule> resume_rules();

struct OptionChange {
  std::string option, saved, now;
  OnResume rule;
};
/// Options whose value differs between two sets of options (JSON objects as OptionTable::json writes them),
/// in the table's order. Options that one of the two does not name are no change.
std::vector<OptionChange> option_changes(const std::string& saved_json, const std::string& now_json);

/// Holds the options of a run that goes on against the saved one's: refuses what was given without effect
/// (usage error with both values), logs everything else that differs, and refuses another identity (usage
/// error with a table). `source`: of the state; `identity`: run_identity of the run that goes on; `model`:
/// its model, which a state of earlier versions names by their rule.
void check_resumed_options(const SavedState& state, const TrainOptions& options,
                           const std::string& resolved_json, const SourcePlan& source,
                           const std::string& identity, const ModelFiles& model);

/// The options to save with later states: what only the start reads stays as it was then.
std::string carried_options(const SavedState& state, const std::string& resolved_json);

}  // namespace anemll
