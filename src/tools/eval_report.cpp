#include "src/tools/eval_report.hpp"

#include "anemll/core/log.hpp"
#include "src/core/metrics_log.hpp"
#include "src/inspect/text_table.hpp"

namespace anemll {
namespace {

std::string names_json(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "[" : ",").append(figure_json(name));
  return text.empty() ? "[]" : text + ']';
}

std::string json_text(const EvalReport& r, const EvalOptions& o) {
  JsonLine line;
  if (r.teacher.empty()) {
    line.add_json("teacher", "null");
  } else {
    line.add("teacher", r.teacher);
  }
  line.add_json("sources", names_json(r.sources));
  line.add("windows", choice_name(o.text.protocol.kind)).add("context", o.text.protocol.context);
  line.add("stride", o.text.protocol.stride).add("chunks", r.chunks).add("positions", r.positions);
  line.add("tokens", r.tokens).add("text_digest", r.digest);
  line.add("resamples", o.bootstrap.resamples).add("level", o.bootstrap.level).add("seed", o.seed);
  std::string edges;
  for (const double edge : kl_histogram_edges())
    edges.append(edges.empty() ? "[" : ",").append(figure_json(Figure(edge)));
  line.add_json("kl_histogram_edges", edges + ']');
  line.add_json("models", rows_json(model_columns(), r.models));
  line.add_json("pairs", rows_json(pair_columns(), r.pairs));
  line.add_json("parts", rows_json(part_columns(), r.parts));
  return indented_json(line.text());
}

/// What the figures are about.
std::string heading(const EvalReport& r, const EvalOptions& o) {
  if (r.sources.empty()) return {};
  std::string text;
  for (const std::string& source : r.sources) text += (text.empty() ? "" : ", ") + source;
  text += strf(": %lld positions in %lld chunks ", static_cast<long long>(r.positions),
               static_cast<long long>(r.chunks));
  text += o.has_windows() ? strf("(%s, context %lld)\n", choice_name(o.text.protocol.kind).c_str(),
                                 static_cast<long long>(o.text.protocol.context))
                          : "(sequences of a cache, as long as they are)\n";
  return text + (r.teacher.empty() ? "no teacher\n" : "teacher: " + r.teacher + "\n");
}

template <class Row>
std::string in_form(std::span<const Column<Row>> columns, const std::vector<Row>& rows, bool markdown) {
  return markdown ? markdown_tables(columns, rows) : tables(columns, rows, 0);
}

}  // namespace

std::string report_text(const EvalReport& r, const EvalOptions& o) {
  if (o.json) return json_text(r, o);
  std::string text = heading(r, o) + in_form(model_columns(), r.models, o.markdown);
  text += in_form(pair_columns(), r.pairs, o.markdown);
  if (!o.parts) return text;
  for (const ModelRow& model : r.models) {
    std::vector<PartRow> rows;
    for (const PartRow& row : r.parts) {
      if (row.model == model.model) rows.push_back(row);
    }
    if (!rows.empty()) text += "\n" + model.model + in_form(part_columns(), rows, o.markdown);
  }
  return text;
}

}  // namespace anemll
