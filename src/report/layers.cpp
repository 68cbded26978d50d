// Errors of the layers of a start, and the snapped file: see sections.hpp.
#include "anemll/core/log.hpp"
#include "src/report/internal/sections.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace anemll {
namespace {

/// "model.layers.3.mlp.up_proj" is up_proj.
std::string short_linear(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

void add_start(Section& section, const FoundJson& start) {
  HeatFigure heat;
  heat.title = "Error of each linear's output by block: the stronger the colour, the larger the error";
  heat.column_label = "block";
  ReportTable table{{"Block"}, {}};
  const ReportJson& blocks = list_of(start.content, "blocks");
  for (const ReportJson& block : blocks) {
    const ReportJson& linears = field_of(block, "linears");
    if (!linears.is_object()) continue;
    for (const auto& [name, error] : linears.items()) {
      if (std::ranges::find(heat.rows, short_linear(name)) == heat.rows.end())
        heat.rows.push_back(short_linear(name));
    }
  }
  if (heat.rows.empty()) return;
  heat.values.assign(heat.rows.size(), {});
  for (const std::string& row : heat.rows) table.head.push_back(row);
  table.head.emplace_back("stream");
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    heat.columns.push_back(std::to_string(b));
    std::vector<double> errors(heat.rows.size(), std::numeric_limits<double>::quiet_NaN());
    const ReportJson& linears = field_of(blocks[b], "linears");
    if (linears.is_object()) {
      for (const auto& [name, error] : linears.items()) {
        const auto place = std::ranges::find(heat.rows, short_linear(name)) - heat.rows.begin();
        if (error.is_number()) errors[static_cast<std::size_t>(place)] = error.get<double>();
      }
    }
    std::vector<std::string> row = {std::to_string(b)};
    for (std::size_t r = 0; r < errors.size(); ++r) {
      heat.values[r].push_back(errors[r]);
      row.push_back(nats(errors[r]));
    }
    row.push_back(nats(number_of(blocks[b], "stream_error")));
    table.rows.push_back(std::move(row));
  }
  section.blocks.emplace_back(Paragraph{
      {{"Error of a linear's output, ||Y - Y^|| / ||Y||, by block; error of the stream behind the block."}}});
  section.blocks.emplace_back(std::move(heat));
  CurvesFigure stream;
  stream.panel.title = "Error of the stream behind each block";
  stream.x_label = "block";
  ChartLine line;
  line.label = "stream";
  line.marked = true;
  for (std::size_t b = 0; b < blocks.size(); ++b)
    line.points.push_back({static_cast<double>(b), number_of(blocks[b], "stream_error")});
  stream.panel.lines.push_back(std::move(line));
  section.blocks.emplace_back(std::move(stream));
  table.folded = "All errors";
  section.blocks.emplace_back(std::move(table));

  ReportTable held{{"Start, on held-out sequences", "KL, mean", "median", "p99", "top-1", "positions"}, {}};
  for (const ReportJson& row : list_of(start.content, "holdout"))
    held.rows.push_back({text_of(row, "start"), nats(number_of(row, "kl_mean")),
                         nats(number_of(row, "kl_median")), nats(number_of(row, "kl_p99")),
                         decimals(100 * number_of(row, "top1"), 1) + "%",
                         decimals(number_of(row, "positions"), 0)});
  if (!held.rows.empty()) section.blocks.emplace_back(std::move(held));
  section.blocks.emplace_back(
      Paragraph{{{"Kept: the start "},
                 code(text_of(start.content, "kept")),
                 {". Quantisation: " + text_of(start.content, "quantisation") + "."}}});
}

void add_snap(Section& section, const FoundJson& snap) {
  ReportTable table{{"Converter", "KD loss", "KL from the trained model", "Weight error"}, {}};
  const double trained = number_of(snap.content, "trained_kd_loss");
  table.rows.push_back({"trained, nothing rounded", decimals(trained, 6), "0", "0"});
  for (const auto& [name, score] : field_of(snap.content, "consumers").items()) {
    const double kl = number_of(score, "kl_to_trained"), error = number_of(score, "weight_error");
    table.rows.push_back({name, decimals(number_of(score, "kd_loss"), 6),
                          std::isfinite(kl) ? strf("%.3g", kl) : "-",
                          std::isfinite(error) ? strf("%.4g", error) : "-"});
  }
  section.blocks.emplace_back(std::move(table));
  const ReportJson& passed = field_of(field_of(snap.content, "gate"), "passed");
  const double negative = number_of(snap.content, "negative_scale_share");
  std::string words = std::string("Verified: ") +
                      (passed == true    ? "yes"
                       : passed == false ? "NO"
                                         : "not told") +
                      ".";
  if (std::isfinite(negative)) words += strf(" Share of negative scales: %.6g.", negative);
  if (const double bits = number_of(snap.content, "bits_per_weight"); std::isfinite(bits))
    words += strf(" Packed, the linears take %.3f bits a weight.", bits);
  section.blocks.emplace_back(Paragraph{{{words}}});
  ReportTable programs{{"Program", "Reads it", "In words"},
                       {},
                       ReportTable::kNoNumbers,
                       false,
                       "Programs, as they were measured with such files"};
  const ReportJson& verdicts = field_of(snap.content, "programs");
  if (verdicts.is_object()) {
    for (const auto& [name, verdict] : verdicts.items())
      programs.rows.push_back({name, text_of(verdict, "reading"), text_of(verdict, "words")});
  }
  if (!programs.rows.empty()) section.blocks.emplace_back(std::move(programs));
}

}  // namespace

std::optional<Section> start_section(const Findings& found) {
  if (found.starts.empty()) return std::nullopt;
  Section section{"Layers of the start", {}};
  for (const FoundJson& start : found.starts) {
    if (found.starts.size() > 1)
      section.blocks.emplace_back(Paragraph{{{"Of "}, code(start.file.string()), {":"}}});
    add_start(section, start);
  }
  return section;
}

std::optional<Section> snap_section(const Findings& found) {
  if (found.snaps.empty()) return std::nullopt;
  Section section{"The snapped file, as each converter reads it", {}};
  for (const FoundJson& snap : found.snaps) {
    if (found.snaps.size() > 1)
      section.blocks.emplace_back(Paragraph{{{"Of "}, code(snap.file.string()), {":"}}});
    add_snap(section, snap);
  }
  return section;
}

}  // namespace anemll
