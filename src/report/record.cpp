// Stages, commands, machine and versions, and what is missing: see sections.hpp.
#include "anemll/core/log.hpp"
#include "src/core/build_info.hpp"
#include "src/core/local_time.hpp"
#include "src/core/memory.hpp"
#include "src/core/platform.hpp"
#include "src/core/shell_word.hpp"
#include "src/report/internal/sections.hpp"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <set>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

namespace anemll {
namespace {

std::string spelled(const ReportJson& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, ReportJson::error_handler_t::replace);
}

/// Whether a stage of the recipe is this training, and says its command.
bool has_command(const Findings& found, const FoundTraining& training) {
  std::error_code none;
  if (!found.recipe) return false;
  if (!std::filesystem::equivalent(training.folder / "..", found.recipe->folder, none)) return false;
  return std::ranges::any_of(found.recipe->stages, [&](const FoundStage& stage) {
    return stage.name == training.folder.filename().string() && !stage.command.empty();
  });
}

/// One text for each program that had a part in the training, in their order, each text once.
std::string by_programs(const FoundTraining& training, std::string (*text)(const RunStart&)) {
  std::vector<std::string> texts;
  for (const RunStart& start : training.record.starts) {
    const std::string one = text(start);
    if (!one.empty() && std::ranges::find(texts, one) == texts.end()) texts.push_back(one);
  }
  std::string all;
  for (const std::string& one : texts) all.append(all.empty() ? "" : ", then ").append(one);
  return all;
}

/// Lines of build_summary() as one: "anemll_train 1.0 (git abc); compiler GNU 12.2.0; ...".
std::string build_line(const RunStart& start) {
  std::string line;
  std::istringstream words(start.build);
  for (std::string one; std::getline(words, one);) {
    std::istringstream parts(one);
    std::string text;
    for (std::string part; parts >> part;) text.append(text.empty() ? "" : " ").append(part);
    if (!text.empty()) line.append(line.empty() ? "" : "; ").append(text);
  }
  return line;
}

/// Who computed the trainings, as far as their logs say. Older ones say their hosts only.
void add_trainings(const Findings& found, ReportTable& table) {
  for (const FoundTraining& training : found.trainings) {
    const std::string& name = training.record.name;
    std::string hosts;
    for (const std::string& host : training.hosts) hosts += (hosts.empty() ? "" : ", ") + host;
    const std::string processor = by_programs(training, [](const RunStart& s) { return s.processor; });
    const std::string programs = by_programs(training, build_line);
    if (!hosts.empty()) table.rows.push_back({"Hosts of " + name, hosts});
    if (!processor.empty()) table.rows.push_back({"Processor of " + name, processor});
    if (!programs.empty()) table.rows.push_back({"Programs of " + name, programs});
  }
}

std::string machine_words(const Findings& found) {
  const auto told = std::ranges::count_if(
      found.trainings, [](const FoundTraining& training) { return !training.record.starts.empty(); });
  if (told == 0)
    return "Machine and versions are those that this report was written with. A recipe writes its report "
           "behind its last "
           "stage.";
  std::string words =
      "Rows of a training say the processor of its rank 0 and the programs that it ran with. The other rows "
      "are about this "
      "report, which a recipe writes behind its last stage.";
  if (told < std::ssize(found.trainings)) words += " A training of an older version says its hosts only.";
  return words;
}

std::int64_t usable_processors() {
  const ProcessorLimits limits = processor_limits();
  return limits.affinity;
}

}  // namespace

std::string command_of(const FoundTraining& training) {
  if (training.record.starts.empty() || training.record.starts.back().command.empty()) return {};
  const RunStart& start = training.record.starts.back();  // whose options the end of the run had
  std::string line;
  if (start.hosts.size() > 1) line = strf("bash launch/mpirun.sh -np %zu", start.hosts.size());
  for (const std::string& word : start.command) line.append(line.empty() ? "" : " ").append(shell_word(word));
  return line;
}

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
    if (const std::string command = command_of(training); !command.empty() && !has_command(found, training)) {
      section.blocks.emplace_back(Paragraph{{{"The training " + training.record.name + ":"}}});
      section.blocks.emplace_back(CodeLines{{command}});
    }
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
  add_trainings(found, table);
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
  section.blocks.emplace_back(Paragraph{{{machine_words(found)}}});
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
  if (found.starts.empty() && !layers_section(found))
    say("No errors of layers: there is no start_report.json and no run with --inspect-steps.", "anemll_init");
  if (found.snaps.empty()) say("Nothing of a snapped file: there is no snap_report.json.", "anemll_snap");
  if (!answers_section(found))
    say("No answers.", "anemll_infer CHECKPOINT --batch PROMPTS.jsonl --greedy --out answers_student.jsonl");
  if (section.blocks.empty()) return std::nullopt;
  return section;
}

}  // namespace anemll
