// Errors of the layers of a start and of a training, and the snapped file: see sections.hpp.
#include "anemll/core/log.hpp"
#include "src/report/internal/sections.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace anemll {
namespace {

constexpr double kNotKnown = std::numeric_limits<double>::quiet_NaN();
// Of the linears of a block, as a token passes them. Others stand behind them.
constexpr auto kOrder = std::to_array<std::string_view>(
    {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"});

/// Of one block: the errors of its linears by their short names, that of the stream behind it.
struct BlockErrors {
  std::int64_t block = 0;
  std::vector<std::pair<std::string, double>> linears;
  double stream = kNotKnown;
};

/// "model.layers.3.mlp.up_proj" is up_proj.
std::string short_linear(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

/// Of "model.layers.3.mlp.up_proj" 3; nothing for what lies in no block.
std::optional<std::int64_t> block_of(const std::string& name) {
  constexpr std::string_view kMark = ".layers.";
  const std::size_t at = name.find(kMark);
  if (at == std::string::npos) return std::nullopt;
  const std::string digits =
      name.substr(at + kMark.size(), name.find('.', at + kMark.size()) - at - kMark.size());
  if (digits.empty() || digits.size() > 6 || digits.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  return std::strtoll(digits.c_str(), nullptr, 10);
}

std::vector<BlockErrors> errors_of_start(const ReportJson& start) {
  std::vector<BlockErrors> errors;
  for (const ReportJson& block : list_of(start, "blocks")) {
    BlockErrors& found = errors.emplace_back();
    found.block = static_cast<std::int64_t>(errors.size()) - 1;
    found.stream = number_of(block, "stream_error");
    const ReportJson& linears = field_of(block, "linears");
    if (!linears.is_object()) continue;
    for (const auto& [name, error] : linears.items())
      found.linears.emplace_back(short_linear(name), error.is_number() ? error.get<double>() : kNotKnown);
  }
  return errors;
}

/// Of a row of the kind `layers`, whose linears stand in the order of their errors.
std::vector<BlockErrors> errors_of_row(const ReportJson& row) {
  std::map<std::int64_t, BlockErrors> blocks;
  for (const ReportJson& layer : list_of(row, "layers")) {
    const std::string name = text_of(layer, "layer");
    if (const auto block = block_of(name))
      blocks[*block].linears.emplace_back(short_linear(name), number_of(layer, "output_error"));
  }
  for (const ReportJson& block : list_of(row, "blocks")) {
    const double number = number_of(block, "block");
    const auto found = blocks.find(std::isfinite(number) ? static_cast<std::int64_t>(number) : -1);
    if (found != blocks.end()) found->second.stream = number_of(block, "stream_error");
  }
  const auto place = [](const std::pair<std::string, double>& linear) {
    return std::pair(std::ranges::find(kOrder, linear.first) - kOrder.begin(), linear.first);
  };
  std::vector<BlockErrors> errors;
  for (auto& [number, block] : blocks) {
    block.block = number;
    std::ranges::sort(block.linears, {}, place);
    errors.push_back(std::move(block));
  }
  return errors;
}

/// A figure, a curve and a table of them. Nothing, and false, where no linear has an error.
bool add_errors(Section& section, const std::vector<BlockErrors>& blocks) {
  HeatFigure heat;
  heat.title = "Error of each linear's output by block: the stronger the colour, the larger the error";
  heat.column_label = "block";
  ReportTable table{{"Block"}, {}};
  for (const BlockErrors& block : blocks) {
    for (const auto& [name, error] : block.linears) {
      if (std::ranges::find(heat.rows, name) == heat.rows.end()) heat.rows.push_back(name);
    }
  }
  if (heat.rows.empty()) return false;
  heat.values.assign(heat.rows.size(), {});
  for (const std::string& row : heat.rows) table.head.push_back(row);
  table.head.emplace_back("stream");
  CurvesFigure stream;
  stream.panel.title = "Error of the stream behind each block";
  stream.x_label = "block";
  ChartLine line;
  line.label = "stream";
  line.marked = true;
  for (const BlockErrors& block : blocks) {
    const std::string number = std::to_string(block.block);
    heat.columns.push_back(number);
    std::vector<double> errors(heat.rows.size(), kNotKnown);
    for (const auto& [name, error] : block.linears)
      errors[static_cast<std::size_t>(std::ranges::find(heat.rows, name) - heat.rows.begin())] = error;
    std::vector<std::string> row = {number};
    for (std::size_t r = 0; r < errors.size(); ++r) {
      heat.values[r].push_back(errors[r]);
      row.push_back(nats(errors[r]));
    }
    row.push_back(nats(block.stream));
    table.rows.push_back(std::move(row));
    line.points.push_back({static_cast<double>(block.block), block.stream});
  }
  section.blocks.emplace_back(Paragraph{
      {{"Error of a linear's output, ||Y - Y^|| / ||Y||, by block; error of the stream behind the block."}}});
  section.blocks.emplace_back(std::move(heat));
  stream.panel.lines.push_back(std::move(line));
  section.blocks.emplace_back(std::move(stream));
  table.folded = "All errors";
  section.blocks.emplace_back(std::move(table));
  return true;
}

void add_start(Section& section, const FoundJson& start) {
  if (!add_errors(section, errors_of_start(start.content))) return;
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

std::optional<Section> layers_section(const Findings& found) {
  Section section{"Layers in training", {}};
  for (const FoundTraining& training : found.trainings) {
    Section errors;
    if (!add_errors(errors, errors_of_row(training.layers))) continue;
    const double step = number_of(training.layers, "step");
    section.blocks.emplace_back(Paragraph{
        {{training.record.name + " at step " + decimals(step, 0) + ", the last look of --inspect-steps:"}}});
    std::ranges::move(errors.blocks, std::back_inserter(section.blocks));
  }
  if (section.blocks.empty()) return std::nullopt;
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
