// Answers of teacher and student side by side, and of a training by step: see sections.hpp.
#include "anemll/core/log.hpp"
#include "src/report/internal/sections.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace anemll {
namespace {

constexpr std::size_t kMostPrompts = 300;

/// How a file of answers is called above its column.
std::string column_name(const std::string& name) {
  if (name == "teacher") return "Model";
  if (name == "snap") return "Snapped file";
  return name;
}

/// Texts in the order in which they came first, each with its place.
class Places {
 public:
  std::size_t of(const std::string& text) { return places_.try_emplace(text, places_.size()).first->second; }
  std::size_t size() const { return places_.size(); }

 private:
  std::map<std::string, std::size_t> places_;
};

/// The prompts that every file of answers has, or some. A page shows the first of very many.
void add_side_by_side(const Findings& found, Section& section) {
  ReportTable table{{"Prompt"}, {}, ReportTable::kNoNumbers, true};
  std::vector<const FoundAnswers*> columns;
  for (const FoundAnswers& answers : found.answers) {
    if (!answers.by_step) columns.push_back(&answers);
  }
  // The teacher is what the others are read against.
  std::ranges::stable_partition(columns, [](const FoundAnswers* a) { return a->name == "teacher"; });
  Places prompts;
  for (const FoundAnswers* answers : columns) {
    table.head.push_back(column_name(answers->name));
    for (const FoundAnswer& one : answers->answers) {
      const std::size_t row = prompts.of(one.prompt);
      if (row >= kMostPrompts) continue;
      if (row == table.rows.size()) table.rows.push_back({one.prompt});
      // The first answer of a file that has a prompt twice.
      if (table.rows[row].size() >= table.head.size()) continue;
      table.rows[row].resize(table.head.size());
      table.rows[row].back() = one.answer;
    }
  }
  if (table.rows.empty()) return;
  for (auto& row : table.rows) row.resize(table.head.size());
  section.blocks.emplace_back(std::move(table));
  if (prompts.size() > kMostPrompts)
    section.blocks.emplace_back(
        Paragraph{{{strf("These are the first %zu of %zu prompts.", kMostPrompts, prompts.size())}}});
}

/// Of a training: a row for each evaluation, a column for each prompt.
ReportTable over_time(const FoundAnswers& answers) {
  ReportTable table{{"Step of " + answers.name}, {}, ReportTable::kNoNumbers, true};
  Places prompts, steps;
  for (const FoundAnswer& one : answers.answers) {
    const std::size_t column = 1 + prompts.of(one.prompt);
    if (column == table.head.size()) table.head.push_back(one.prompt);
    const std::size_t row = steps.of(std::to_string(one.step));
    if (row == table.rows.size()) table.rows.push_back({std::to_string(one.step)});
    table.rows[row].resize(std::max(table.rows[row].size(), column + 1));
    table.rows[row][column] = one.answer;
  }
  for (auto& row : table.rows) row.resize(table.head.size());
  return table;
}

}  // namespace

std::optional<Section> answers_section(const Findings& found) {
  Section section{"Samples, greedy", {}};
  add_side_by_side(found, section);
  for (const FoundAnswers& answers : found.answers) {
    if (!answers.by_step) continue;
    section.blocks.emplace_back(
        Paragraph{{{"At the evaluations of the training "}, code(answers.name), {":"}}});
    section.blocks.emplace_back(over_time(answers));
  }
  for (const FoundJson& snap : found.snaps) {
    ReportTable table{{"Prompt", "Trained", "Snapped"}, {}, ReportTable::kNoNumbers, true};
    if (!section.blocks.empty()) table.folded = "Answers of the trained and the snapped model";
    for (const ReportJson& pair : list_of(snap.content, "answers"))
      table.rows.push_back({text_of(pair, "prompt"), text_of(pair, "trained"),
                            field_of(pair, "same") == true ? "the same" : text_of(pair, "snapped")});
    if (!table.rows.empty()) section.blocks.emplace_back(std::move(table));
  }
  if (section.blocks.empty()) return std::nullopt;
  return section;
}

}  // namespace anemll
