#include "src/report/report.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/hash.hpp"
#include "src/report/internal/html.hpp"
#include "src/report/internal/markdown.hpp"
#include "src/report/internal/sections.hpp"

#include <fstream>
#include <system_error>
#include <utility>

namespace anemll {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kJsonMark = "{\n  \"report\": \"anemll_report\"";
constexpr std::size_t kMarkWithin = 512;  // bytes of a file's front

std::string_view mark_of(ReportForm form) {
  return form == ReportForm::html ? kHtmlMark : form == ReportForm::markdown ? kMarkdownMark : kJsonMark;
}

/// The file that a recipe ends with.
struct ResultFile {
  fs::path path;
  std::uint64_t bytes = 0;
  std::string sha256;
};
std::optional<ResultFile> result_of(const Findings& found) {
  if (!found.recipe) return std::nullopt;
  ResultFile result;
  result.path = found.recipe->folder / "snap" / "model_state_dict.pt";
  std::error_code none;
  result.bytes = fs::file_size(result.path, none);
  if (none) return std::nullopt;
  result.sha256 = sha256_file(result.path);
  return result;
}

std::int64_t seconds_of(const FoundRecipe& recipe) {
  std::int64_t sum = 0;
  for (const FoundStage& stage : recipe.stages) sum += stage.seconds;
  return sum;
}

ReportDocument document_of(const Findings& found, const std::optional<ResultFile>& result,
                           const std::string& title) {
  ReportDocument document;
  document.title = title;
  if (found.recipe) {
    const FoundRecipe& recipe = *found.recipe;
    if (const std::string says = recipe.fact("says"); !says.empty())
      document.lead.emplace_back(Paragraph{{{says}}});
    Paragraph about;
    if (const std::string model = recipe.fact("model"); !model.empty())
      about.pieces = {{"Model "}, code(model), {", input "}, code(recipe.fact("input")), {". "}};
    about.pieces.push_back(
        {"All stages took " + format_seconds(static_cast<double>(seconds_of(recipe))) + "."});
    document.lead.emplace_back(std::move(about));
  } else {
    Paragraph about{{{"About "}}};
    for (const fs::path& run : found.runs) {
      if (about.pieces.size() > 1) about.pieces.push_back({", "});
      about.pieces.push_back(code(run.string()));
    }
    about.pieces.push_back({"."});
    document.lead.emplace_back(std::move(about));
  }
  if (result)
    document.lead.emplace_back(Paragraph{{{"Result: "},
                                          code(result->path.string()),
                                          {", " + format_bytes(result->bytes) + ", sha256 "},
                                          code(result->sha256)}});
  for (auto make : {losses_section, curves_section, scores_section, spread_section, start_section,
                    layers_section, answers_section, snap_section, stages_section, commands_section}) {
    if (auto section = make(found)) document.sections.push_back(std::move(*section));
  }
  document.sections.push_back(machine_section(found));
  if (auto section = missing_section(found)) document.sections.push_back(std::move(*section));
  return document;
}

std::string json_of(const Findings& found, const std::optional<ResultFile>& result) {
  ReportJson out;
  out["report"] = "anemll_report";
  if (found.recipe) {
    const FoundRecipe& recipe = *found.recipe;
    for (const char* fact : {"recipe", "command", "model", "input"}) out[fact] = recipe.fact(fact);
    out["seconds"] = seconds_of(recipe);
    if (result)
      out["file"] = {{"path", result->path.string()}, {"bytes", result->bytes}, {"sha256", result->sha256}};
    out["stages"] = ReportJson::array();
    for (const FoundStage& s : recipe.stages)
      out["stages"].push_back({{"name", s.name},
                               {"says", s.says},
                               {"seconds", s.seconds},
                               {"starts", s.starts},
                               {"bytes", s.bytes},
                               {"command", s.command}});
  }
  out["trainings"] = ReportJson::array();
  for (const FoundTraining& t : found.trainings)
    out["trainings"].push_back({{"stage", t.record.name},
                                {"command", command_of(t)},
                                {"first_evaluation", t.first_evaluation},
                                {"best_evaluation", t.best_evaluation}});
  const auto contents = [](const std::vector<FoundJson>& list) {
    return list.empty() ? ReportJson() : list.back().content;
  };
  out["score"] = contents(found.scores);
  out["start"] = contents(found.starts);
  out["snap"] = contents(found.snaps);
  return out.dump(2, ' ', false, ReportJson::error_handler_t::replace) + "\n";
}

}  // namespace

ReportForm report_form(const fs::path& file) {
  const std::string end = file.extension().string();
  if (end == ".html" || end == ".htm") return ReportForm::html;
  if (end == ".md") return ReportForm::markdown;
  if (end == ".json") return ReportForm::json;
  throw_usage("the name does not say what form the report has", "--output " + file.string(),
              "give --output report.html, report.md or report.json");
}

void require_replaceable(const fs::path& file, ReportForm form) {
  if (!has_name(file)) return;
  std::string start(kMarkWithin, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  if (start.find(mark_of(form)) == std::string::npos)
    throw_data("the file is there and is no report of this program", file.string(),
               "give --output another name, or --overwrite to replace it");
}

RunReport::RunReport(std::span<const fs::path> runs, const std::string& title) {
  const Findings found = find_reported(runs);
  std::string name = title;
  if (name.empty() && found.recipe) name = found.recipe->fact("recipe");
  for (const fs::path& run : found.runs) {
    if (!title.empty() || found.recipe) break;
    const fs::path clean = fs::absolute(run).lexically_normal();
    name += (name.empty() ? "" : ", ") +
            (clean.filename().empty() ? clean.parent_path() : clean).filename().string();
  }
  const std::optional<ResultFile> result = result_of(found);
  const ReportDocument document = document_of(found, result, name.empty() ? "Report" : name);
  html_ = html_page(document);
  markdown_ = markdown_text(document);
  json_ = json_of(found, result);
}

std::string RunReport::text(ReportForm form) const {
  return form == ReportForm::html ? html_ : form == ReportForm::markdown ? markdown_ : json_;
}

}  // namespace anemll
