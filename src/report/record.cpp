// Stages, commands, machine and versions, and what is missing: see sections.hpp.
#include "anemll/core/log.hpp"
#include "src/core/build_info.hpp"
#include "src/core/local_time.hpp"
#include "src/core/memory.hpp"
#include "src/core/platform.hpp"
#include "src/report/internal/sections.hpp"

#include <algorithm>
#include <ctime>
#include <set>
#include <sstream>
#include <utility>

namespace anemll {
namespace {

std::string spelled(const ReportJson& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, ReportJson::error_handler_t::replace);
}

std::int64_t usable_processors() {
  const ProcessorLimits limits = processor_limits();
  return limits.affinity;
}

}  // namespace

std::optional<Section> stages_section(const Findings& found) {
  if (!found.recipe) return std::nullopt;
  Section section{"Stages", {}};
  ReportTable table{{"Stage", "What", "Time", "Starts", "Size"}, {}, 2};
  for (const FoundStage& stage : found.recipe->stages)
    table.rows.push_back({stage.name, stage.says, format_seconds(static_cast<double>(stage.seconds)),
                          std::to_string(stage.starts), format_bytes(stage.bytes)});
  section.blocks.emplace_back(std::move(table));
  section.blocks.emplace_back(Paragraph{{{"A start that was killed adds no time."}}});
  for (const char* fact : {"sizes", "widths"}) {
    if (const std::string text = found.recipe->fact(fact); !text.empty())
      section.blocks.emplace_back(Paragraph{{{text}}});
  }
  return section;
}

std::optional<Section> commands_section(const Findings& found) {
  Section section{"To repeat", {}};
  if (found.recipe) {
    if (const std::string command = found.recipe->fact("command"); !command.empty()) {
      section.blocks.emplace_back(Paragraph{{{"All of it:"}}});
      section.blocks.emplace_back(CodeLines{{"bash " + command}});
    }
    CodeLines lines;
    for (const FoundStage& stage : found.recipe->stages) {
      if (!stage.command.empty()) lines.lines.push_back(stage.command);
    }
    if (!lines.lines.empty()) {
      section.blocks.emplace_back(Paragraph{{{"Stage by stage:"}}});
      section.blocks.emplace_back(std::move(lines));
    }
  }
  for (const FoundTraining& training : found.trainings) {
    if (!training.options.is_object()) continue;
    ReportTable table{
        {"Option", "Value"}, {}, ReportTable::kNoNumbers, false, "Every option of " + training.record.name};
    for (const auto& [name, value] : training.options.items())
      table.rows.push_back({"--" + name, spelled(value)});
    section.blocks.emplace_back(std::move(table));
  }
  if (section.blocks.empty()) return std::nullopt;
  return section;
}

Section machine_section(const Findings& found) {
  Section section{"Machine and versions", {}};
  ReportTable table{{"", ""}, {}, ReportTable::kNoNumbers};
  for (const FoundTraining& training : found.trainings) {
    if (training.hosts.empty()) continue;
    std::string hosts;
    for (const std::string& host : training.hosts) hosts += (hosts.empty() ? "" : ", ") + host;
    table.rows.push_back({"Hosts of " + training.record.name, hosts});
  }
  table.rows.push_back(
      {"This report", local_time(std::time(nullptr), "%Y-%m-%d %H:%M %Z") + " on " + host_name()});
  const HostMemory memory = host_memory();
  table.rows.push_back(
      {"That machine", processor_name() +
                           strf(", %lld usable processors", static_cast<long long>(usable_processors())) +
                           (memory.limit > 0 ? ", " + format_bytes(memory.limit) : "")});
  std::istringstream lines(build_summary());
  bool first = true;
  for (std::string line; std::getline(lines, line); first = false) {
    const std::size_t begin = line.find_first_not_of(' ');
    if (begin == std::string::npos) continue;
    const std::size_t blank = line.find(' ', begin);
    const std::size_t value = line.find_first_not_of(' ', std::min(blank, line.size()));
    if (first || value == std::string::npos) {
      table.rows.push_back({"These programs", line.substr(begin)});
    } else {
      table.rows.push_back({line.substr(begin, blank - begin), line.substr(value)});
    }
  }
  section.blocks.emplace_back(
      Paragraph{{{"Machine and versions are those that this report was written with. A recipe writes "
                  "its report behind its last stage."}}});
  section.blocks.emplace_back(std::move(table));
  return section;
}

std::optional<Section> missing_section(const Findings& found) {
  Section section{"Left out", {}};
  const auto say = [&](const std::string& what, const std::string& command) {
    Paragraph words{{{what}}};
    if (!command.empty()) {
      words.pieces.push_back({" It is made by "});
      words.pieces.push_back(code(command));
      words.pieces.push_back({"."});
    }
    section.blocks.emplace_back(std::move(words));
  };
  if (found.trainings.empty()) say("No curves: there is no log of a training.", "");
  if (found.scores.empty())
    say("No KL against bits and no spread of it: there is no score.",
        "anemll_eval CHECKPOINT --text TEXT --output score.json");
  if (!found.scores.empty() && !spread_section(found))
    say("No spread of the KL: the score was made by a version that did not keep it.", "anemll_eval");
  if (found.starts.empty()) say("No errors of layers: there is no start_report.json.", "anemll_init");
  if (found.snaps.empty()) say("Nothing of a snapped file: there is no snap_report.json.", "anemll_snap");
  if (!answers_section(found))
    say("No answers.", "anemll_infer CHECKPOINT --batch PROMPTS.jsonl --greedy --out answers_student.jsonl");
  if (section.blocks.empty()) return std::nullopt;
  return section;
}

}  // namespace anemll
