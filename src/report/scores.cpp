// KL against bits, parts, and the spread of the KL: see sections.hpp.
#include "anemll/core/log.hpp"
#include "src/report/internal/sections.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>

namespace anemll {
namespace {

/// llama.cpp's files of SmolLM2-135M on WikiText-2 test, 20 chunks of 512 tokens, the second half scored.
struct ReferencePoint {
  const char* name;
  double bits;
  double kl;  ///< NaN where there is no such file
  double kl_imatrix;
};
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr ReferencePoint kReference[] = {{"Q4_K_M", 5.7, 0.052, 0.031},
                                         {"Q3_K_M", 4.8, 0.129, 0.077},
                                         {"Q2_K", 4.4, 0.387, 0.256},
                                         {"IQ2_M", 4.2, kNone, 0.255},
                                         {"IQ1_M", 4.0, kNone, 0.710}};

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool is_smollm2_135m(const Findings& found) {
  std::string names = found.recipe ? found.recipe->fact("model") : "";
  for (const FoundJson& score : found.scores) names += " " + text_of(score.content, "teacher");
  return lower(names).find("smollm2-135m") != std::string::npos;
}

std::vector<std::string> models_of(const FoundJson& score) {
  std::vector<std::string> models;
  for (const ReportJson& model : list_of(score.content, "models")) models.push_back(text_of(model, "model"));
  return models;
}

PointsFigure points_of(const FoundJson& score, const std::vector<std::string>& names, bool with_reference) {
  PointsFigure figure;
  figure.title = "KL from the teacher, nats a token, against bits of a weight in the linears";
  figure.x_label = "bits per weight";
  const ReportJson& models = list_of(score.content, "models");
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (std::size_t i = 0; i < models.size(); ++i) {
    const double bits = number_of(models[i], "bits_per_weight"), kl = number_of(models[i], "kl");
    if (!std::isfinite(bits) || !std::isfinite(kl)) continue;
    figure.points.push_back(
        {names[i], bits, kl, number_of(models[i], "kl_low"), number_of(models[i], "kl_high"), false});
  }
  if (figure.points.empty()) return figure;
  if (with_reference) {
    for (const ReferencePoint& r : kReference) {
      if (std::isfinite(r.kl)) figure.points.push_back({r.name, r.bits, r.kl, kNone, kNone, true});
      figure.points.push_back({std::string(r.name) + " imatrix", r.bits, r.kl_imatrix, kNone, kNone, true});
    }
  }
  for (const PointsFigure::Point& point : figure.points) {
    low = std::min(low, point.y);
    high = std::max(high, point.y);
  }
  constexpr double kLogFrom = 10;
  figure.log_y = low > 0 && high > kLogFrom * low;
  if (figure.log_y) figure.title += ", logarithmic";
  return figure;
}

std::string percent(double share) {
  return std::isfinite(share) ? strf("%.1f%%", 100 * share) : "-";
}

/// The part of a label behind "held out:", which says the same in every row.
std::string short_part(const ReportJson& row) {
  std::string part = text_of(row, "part");
  const std::string by = text_of(row, "by");
  if (part.starts_with(by + " ")) part.erase(0, by.size() + 1);
  constexpr std::string_view kHeld = " held out: ";
  const std::size_t held = part.find(kHeld);
  return held == std::string::npos ? part : part.substr(held + kHeld.size());
}

/// One row a part, one column a model.
std::optional<ReportTable> parts_table(const FoundJson& score, const std::vector<std::string>& models,
                                       const std::vector<std::string>& names, const std::string& by,
                                       const std::string& title) {
  ReportTable table;
  table.head = {title};
  for (const std::string& name : names) table.head.push_back(name + ", KL");
  table.head.emplace_back("top-1 of the last");
  std::vector<std::string> parts;
  const ReportJson& rows = list_of(score.content, "parts");
  for (const ReportJson& row : rows) {
    const std::string part = short_part(row);
    if (text_of(row, "by") == by && std::ranges::find(parts, part) == parts.end()) parts.push_back(part);
  }
  for (const std::string& part : parts) {
    std::vector<std::string> cells = {part};
    std::string top1 = "-";
    for (const std::string& model : models) {
      std::string kl = "-";
      for (const ReportJson& row : rows) {
        if (text_of(row, "by") != by || text_of(row, "model") != model || short_part(row) != part) continue;
        kl = nats(number_of(row, "kl"));
        top1 = percent(number_of(row, "top1"));
      }
      cells.push_back(kl);
    }
    cells.push_back(top1);
    table.rows.push_back(std::move(cells));
  }
  if (table.rows.empty()) return std::nullopt;
  return table;
}

ReportTable models_table(const FoundJson& score, const std::vector<std::string>& names) {
  ReportTable table{{"Model", "bits of a body weight", "KL", "top-1"}, {}};
  const ReportJson& models = list_of(score.content, "models");
  for (std::size_t i = 0; i < models.size(); ++i)
    table.rows.push_back({names[i], decimals(number_of(models[i], "bits_per_weight"), 3),
                          nats(number_of(models[i], "kl")), percent(number_of(models[i], "top1"))});
  return table;
}

ReportTable figures_table(const FoundJson& score, const std::vector<std::string>& names) {
  ReportTable table{{"Model", "KL, 95%", "median", "p99", "top-5", "perplexity", "teacher's", "packed MiB",
                     "file MiB", "tokens/s", "positions"},
                    {}};
  table.folded = "Intervals, quantiles, sizes";
  const ReportJson& models = list_of(score.content, "models");
  for (std::size_t i = 0; i < models.size(); ++i) {
    const ReportJson& m = models[i];
    table.rows.push_back({names[i], nats(number_of(m, "kl_low")) + " to " + nats(number_of(m, "kl_high")),
                          nats(number_of(m, "kl_median")), nats(number_of(m, "kl_p99")),
                          percent(number_of(m, "top5")), decimals(number_of(m, "perplexity"), 2),
                          decimals(number_of(m, "teacher_perplexity"), 2),
                          decimals(number_of(m, "packed_mib"), 1), decimals(number_of(m, "file_mib"), 1),
                          decimals(number_of(m, "tokens_per_s"), 0), decimals(number_of(m, "positions"), 0)});
  }
  return table;
}

void add_reference(Section& section) {
  section.blocks.emplace_back(Paragraph{
      {{"To compare with, llama.cpp's files of SmolLM2-135M on WikiText-2 test (20 chunks of 512 tokens, the "
        "second half scored). They hold for that model and text alone."}}});
  ReportTable table{{"File", "bits of a body weight", "KL", "KL with an importance matrix"}, {}};
  for (const ReferencePoint& r : kReference)
    table.rows.push_back({r.name, strf("%.1f", r.bits), std::isfinite(r.kl) ? strf("%.3f", r.kl) : "",
                          strf("%.3f", r.kl_imatrix)});
  section.blocks.emplace_back(std::move(table));
}

void add_score(Section& section, const Findings& found, const FoundJson& score) {
  const std::vector<std::string> models = models_of(score);
  const std::vector<std::string> names = model_names(found, models);
  std::vector<Piece> about = {{"Scored on "}};
  bool first = true;
  for (const ReportJson& source : list_of(score.content, "sources")) {
    if (!source.is_string()) continue;
    if (!first) about.push_back({", "});
    about.push_back(code(source.get<std::string>()));
    first = false;
  }
  const std::string teacher = text_of(score.content, "teacher");
  if (!teacher.empty()) {
    about.push_back({", against "});
    about.push_back(code(teacher));
  }
  about.push_back({". All figures: "});
  about.push_back(code(score.file.string()));
  about.push_back({"."});
  section.blocks.emplace_back(Paragraph{std::move(about)});
  if (PointsFigure figure = points_of(score, names, is_smollm2_135m(found)); !figure.points.empty())
    section.blocks.emplace_back(std::move(figure));
  section.blocks.emplace_back(models_table(score, names));
  section.blocks.emplace_back(figures_table(score, names));
  const auto add = [&](const char* by, const char* title, const char* folded) {
    auto table = parts_table(score, models, names, by, title);
    if (!table) return;
    table->folded = folded;
    section.blocks.emplace_back(std::move(*table));
  };
  add("source", "Source", "");
  add("position", "Position in the chunk", "By position");
  add("token", "Kind of token", "By kind of token");
}

}  // namespace

std::vector<std::string> model_names(const Findings& found, const std::vector<std::string>& paths) {
  std::vector<std::string> names = paths;
  const auto parts = [](const std::string& path) {
    std::vector<std::string> out;
    for (const auto& part : std::filesystem::path(path)) out.push_back(part.string());
    return out;
  };
  if (found.recipe) {
    bool all = true;
    for (std::string& name : names) {
      const std::vector<std::string> folders = parts(name);
      const std::string folder = folders.size() > 1 ? folders[folders.size() - 2] : "";
      if (folder == "start") {
        name = "start";
      } else if (folder == "snap") {
        name = "snapped";
      } else if (folder == "v1" || folder == "v2" || folder == "q2" || folder == "q4") {
        name = "trained";
      } else {
        all = false;
      }
    }
    if (all) return names;
    names = paths;
  }
  if (names.size() < 2) return names;
  for (std::size_t common = 0;; ++common) {
    std::vector<std::string> shorter;
    for (const std::string& path : paths) {
      const std::vector<std::string> folders = parts(path);
      const std::vector<std::string> first = parts(paths.front());
      if (folders.size() <= common + 1 || folders[common] != first[std::min(common, first.size() - 1)])
        return names;
      std::filesystem::path rest;
      for (std::size_t i = common + 1; i < folders.size(); ++i) rest /= folders[i];
      shorter.push_back(rest.string());
    }
    names = shorter;
  }
}

std::optional<Section> scores_section(const Findings& found) {
  if (found.scores.empty()) return std::nullopt;
  Section section{"KL against bits per weight", {}};
  for (const FoundJson& score : found.scores) add_score(section, found, score);
  if (found.recipe || is_smollm2_135m(found)) add_reference(section);
  return section;
}

std::optional<Section> spread_section(const Findings& found) {
  Section section{"KL of single positions", {}};
  for (const FoundJson& score : found.scores) {
    std::vector<double> edges;
    for (const ReportJson& edge : list_of(score.content, "kl_histogram_edges")) {
      if (edge.is_number()) edges.push_back(edge.get<double>());
    }
    if (edges.size() < 2) continue;
    CurvesFigure figure;
    figure.panel.title = "Share of the positions with such a KL";
    figure.x_label = "KL from the teacher, nats, logarithmic; the outer ranges hold all that is beyond them";
    figure.log_x = true;
    figure.from_zero = true;
    figure.tells_last = false;
    const ReportJson& models = list_of(score.content, "models");
    const std::vector<std::string> names = model_names(found, models_of(score));
    for (std::size_t i = 0; i < models.size(); ++i) {
      const ReportJson& counts = list_of(models[i], "kl_histogram");
      if (counts.size() + 1 != edges.size()) continue;
      double sum = 0;
      for (const ReportJson& count : counts) sum += count.is_number() ? count.get<double>() : 0;
      if (!(sum > 0)) continue;
      ChartLine line;
      line.label = names[i];
      line.color = i;
      for (std::size_t bin = 0; bin < counts.size(); ++bin) {
        const double share = (counts[bin].is_number() ? counts[bin].get<double>() : 0) / sum;
        line.points.push_back({edges[bin], share});
        line.points.push_back({edges[bin + 1], share});
      }
      figure.panel.lines.push_back(std::move(line));
    }
    if (!figure.panel.lines.empty()) section.blocks.emplace_back(std::move(figure));
  }
  if (section.blocks.empty()) return std::nullopt;
  return section;
}

}  // namespace anemll
