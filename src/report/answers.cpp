// Answers of teacher and student side by side, and of a training by step: see sections.hpp.
#include "src/report/internal/sections.hpp"

#include <algorithm>
#include <utility>

namespace anemll {
namespace {

/// How a file of answers is called above its column.
std::string column_name(const std::string& name) {
  if (name == "teacher") return "Model";
  if (name == "snap") return "Snapped file";
  return name;
}

std::optional<ReportTable> side_by_side(const Findings& found) {
  ReportTable table{{"Prompt"}, {}, ReportTable::kNoNumbers, true};
  std::vector<const FoundAnswers*> columns;
  for (const FoundAnswers& answers : found.answers) {
    if (!answers.by_step) columns.push_back(&answers);
  }
  // The teacher is what the others are read against.
  std::ranges::stable_partition(columns, [](const FoundAnswers* a) { return a->name == "teacher"; });
  std::vector<std::string> prompts;
  for (const FoundAnswers* answers : columns) {
    table.head.push_back(column_name(answers->name));
    for (const FoundAnswer& one : answers->answers) {
      if (std::ranges::find(prompts, one.prompt) == prompts.end()) prompts.push_back(one.prompt);
    }
  }
  for (const std::string& prompt : prompts) {
    std::vector<std::string> row = {prompt};
    for (const FoundAnswers* answers : columns) {
      const auto place = std::ranges::find(answers->answers, prompt, &FoundAnswer::prompt);
      row.push_back(place == answers->answers.end() ? "" : place->answer);
    }
    table.rows.push_back(std::move(row));
  }
  if (table.rows.empty()) return std::nullopt;
  return table;
}

/// Of a training: a row for each evaluation, a column for each prompt.
ReportTable over_time(const FoundAnswers& answers) {
  ReportTable table{{"Step of " + answers.name}, {}, ReportTable::kNoNumbers, true};
  std::vector<std::string> prompts;
  for (const FoundAnswer& one : answers.answers) {
    if (std::ranges::find(prompts, one.prompt) == prompts.end()) prompts.push_back(one.prompt);
    const std::string step = std::to_string(one.step);
    if (std::ranges::find(table.rows, step, [](const auto& row) { return row.front(); }) == table.rows.end())
      table.rows.push_back({step});
  }
  table.head.insert(table.head.end(), prompts.begin(), prompts.end());
  for (auto& row : table.rows) {
    row.resize(1 + prompts.size());
    for (const FoundAnswer& one : answers.answers) {
      if (std::to_string(one.step) != row.front()) continue;
      row[1 + static_cast<std::size_t>(std::ranges::find(prompts, one.prompt) - prompts.begin())] =
          one.answer;
    }
  }
  return table;
}

}  // namespace

std::optional<Section> answers_section(const Findings& found) {
  Section section{"Samples, greedy", {}};
  if (auto table = side_by_side(found)) section.blocks.emplace_back(std::move(*table));
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
