// The text of each kind of log, as rows.
#pragma once

#include "src/runs/run_record.hpp"

#include <string_view>

namespace anemll {

/// What the text of a log is by its content; nothing for what is no log. `automatic` for a text without a
/// line.
std::optional<LogSource> kind_of_log(std::string_view text);

/// Each adds the rows of `text`. What they cannot read is counted in unread_lines, but for a last line that
/// has no end.
void read_jsonl(std::string_view text, RunRecord& run);
void read_csv(std::string_view text, RunRecord& run);
/// Lines for people: those of anemll_train ("step 10/100  loss 0.5") and of the reference
/// ("opt_step=10 ... loss=0.5").
void read_trainlog(std::string_view text, RunRecord& run);
/// trainer_state.json of the transformers library. False when it is none.
bool read_trainer_state(std::string_view text, RunRecord& run);

/// The cells of a line of a table, whatever separates them; without blanks and quotes around them.
std::vector<std::string_view> csv_cells(std::string_view line);
/// The line of the names of columns: a cell says step, and there are others. No columns: none in the text.
std::vector<std::string_view> csv_header(std::string_view text, std::size_t& behind);

}  // namespace anemll
