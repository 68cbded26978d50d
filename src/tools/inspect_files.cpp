// anemll_inspect check and diff: files of tensors, without their model.
#include "anemll/core/log.hpp"
#include "anemll/core/options.hpp"
#include "anemll/core/tensor.hpp"
#include "anemll/formats/safetensors.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/metrics_log.hpp"
#include "src/core/printable.hpp"
#include "src/inspect/checkpoint_check.hpp"
#include "src/inspect/checkpoint_diff.hpp"
#include "src/inspect/text_table.hpp"
#include "src/tools/inspect_commands.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

namespace anemll {
namespace {

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
}

// Exit codes of the reference's check_checkpoint.
constexpr int kHealthy = 0;
constexpr int kNotFinite = 1;
constexpr int kOverflow = 2;

TensorMap open_tensors(const std::filesystem::path& file) {
  // The content decides; where it says nothing, the name tells which reader explains what is wrong.
  const ContentKind kind = content_kind(file);
  const bool torch = kind == ContentKind::zip || kind == ContentKind::pickle;
  const bool plain = kind == ContentKind::safetensors || (!torch && file.extension() == ".safetensors");
  return plain ? read_safetensors(file).tensors : read_state_dict(file);
}

/// Calls to it move a bar.
class Bar {
 public:
  Bar(const std::string& title, std::size_t total)
      : total_(static_cast<std::int64_t>(total)), progress_(title, total_, "tensors") {}
  /// Before the tensor at `place`, which is the number of those behind it.
  void operator()(std::int64_t place) { progress_.update(place); }
  void finish() {
    progress_.update(total_);
    progress_.finish();
  }

 private:
  std::int64_t total_;
  Progress progress_;
};

std::string counted(std::int64_t number, const char* what) {
  return strf("%lld %s%s", static_cast<long long>(number), what, number == 1 ? "" : "s");
}

template <class Row, class Test>
std::vector<Row> those(const std::vector<Row>& rows, const Test& test) {
  std::vector<Row> found;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(found), test);
  return found;
}

const char* verdict(int code) {
  if (code == kNotFinite) return "NaN or infinite values";
  return code == kOverflow ? "values that FP16 may not hold" : "ok";
}

std::string check_text(const CheckpointCheck& check, const std::string& file, int code, std::int64_t top,
                       bool verbose) {
  std::string text = strf("%s: %s (exit code %d), %s\n", file.c_str(), verdict(code), code,
                          counted(static_cast<std::int64_t>(check.tensors.size()), "tensor").c_str());
  const auto list = [&](const char* title, const std::vector<TensorCheck>& tensors) {
    text += strf("\n%s: %s\n", title, counted(static_cast<std::int64_t>(tensors.size()), "tensor").c_str());
    text += group_table(tensor_check_columns(), "tensors", tensors, verbose ? 0 : top);
  };
  list("NaN or infinite", those(check.tensors, [](const auto& t) { return t.nan + t.infinite > 0; }));
  list("beyond 65000", those(check.tensors, [](const auto& t) { return t.at_risk > 0; }));
  for (const std::string& part : check.parts()) {
    if (part == "other" && !verbose) continue;
    text += "\nlargest magnitudes, " + part + ":\n";
    text += group_table(tensor_check_columns(), "tensors", check.largest(part, verbose ? 0 : top), 0);
  }
  const auto wrong = those(check.lookups, [](const auto& l) { return !l.agrees(); });
  text += strf("\n_Q against lut[_indices]: %s, %zu that disagree\n",
               counted(static_cast<std::int64_t>(check.lookups.size()), "layer").c_str(), wrong.size());
  text += group_table(lookup_check_columns(), "lookups", verbose ? check.lookups : wrong, verbose ? 0 : top);
  if (!check.logits.empty()) {
    text += "\ntable logits against lut:\n";
    text += group_table(logit_check_columns(), "table logits", check.logits, verbose ? 0 : top);
  }
  return text;
}

std::string names_text(const std::vector<std::string>& names, const std::string& where, std::int64_t top) {
  if (names.empty()) return {};
  std::string text = strf("only in %s: %zu\n", where.c_str(), names.size());
  const std::size_t shown = top > 0 ? std::min(names.size(), static_cast<std::size_t>(top)) : names.size();
  for (std::size_t i = 0; i < shown; ++i) text += "  " + printable(names[i]) + "\n";
  if (shown < names.size()) text += strf("  ... and %zu more (--top 0 shows all)\n", names.size() - shown);
  return text;
}

std::string names_json(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "[" : ",").append(figure_json(name));
  return text.empty() ? "[]" : text + ']';
}

std::string diff_text(const CheckpointDiff& diff, const std::string& first, const std::string& second,
                      std::int64_t top) {
  const auto differing = static_cast<std::int64_t>(diff.differing.size());
  std::string text = strf("%s and %s: %s in both, %lld equal, %lld different\n", first.c_str(),
                          second.c_str(), counted(diff.common, "tensor").c_str(),
                          static_cast<long long>(diff.common - differing), static_cast<long long>(differing));
  text += names_text(diff.only_first, first, top);
  text += names_text(diff.only_second, second, top);
  text += tables(difference_columns(), diff.differing, top);
  if (diff.indices > 0) {
    text += strf("\nindices: %lld of %lld changed, in %s\n", static_cast<long long>(diff.changed_indices),
                 static_cast<long long>(diff.indices), counted(diff.changed_index_layers, "layer").c_str());
  }
  return text;
}

}  // namespace

int inspect_check_command(int argc, const char* const* argv) {
  std::string file;
  std::int64_t top = 20;
  bool verbose = false;
  bool json = false;
  OptionTable table("anemll_inspect check",
                    "Health of a file's tensors. Exit code 1 with NaN or infinite values, else 2 with values "
                    "beyond 65000, else 0.");
  table.add_positional("FILE", &file, "checkpoint (.pt) or .safetensors file", true);
  table.add("top", &top, "tensors to print in each list; 0: all", 0, 1 << 20);
  table.add_flag("verbose", &verbose, "all tensors and layers, also healthy ones");
  table.add_flag("json", &json, "one JSON object with all tensors");
  table.mark_path("FILE");
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  const TensorMap tensors = open_tensors(file);
  CheckpointCheck check;
  {
    Bar bar("Checking " + file, tensors.size());
    check = check_tensors(tensors, [&bar](std::int64_t place) { bar(place); });
    bar.finish();
  }
  const int code = check.not_finite() > 0 ? kNotFinite : check.at_risk() > 0 ? kOverflow : kHealthy;
  if (json) {
    JsonLine line;
    line.add("file", file).add("result", verdict(code)).add("exit_code", code);
    line.add("not_finite", check.not_finite()).add("at_risk", check.at_risk());
    line.add_json("tensors", rows_json(tensor_check_columns(), check.tensors));
    line.add_json("lookups", rows_json(lookup_check_columns(), check.lookups));
    line.add_json("table_logits", rows_json(logit_check_columns(), check.logits));
    print(indented_json(line.text()));
  } else {
    print(check_text(check, file, code, top, verbose));
  }
  return code;
}

int inspect_diff_command(int argc, const char* const* argv) {
  std::string first, second;
  std::int64_t top = 20;
  bool json = false;
  OptionTable table(
      "anemll_inspect diff",
      "What two files differ in. The exit code is 0 also where they do: see the key \"same\" of "
      "--json.");
  table.add_positional("FIRST", &first, "checkpoint (.pt) or .safetensors file", true);
  table.add_positional("SECOND", &second, "the file to hold it against: .pt or .safetensors", true);
  table.add("top", &top, "tensors to print in each list; 0: all", 0, 1 << 20);
  table.add_flag("json", &json, "one JSON object with all tensors that differ");
  table.mark_path("FIRST");
  table.mark_path("SECOND");
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  const TensorMap here = open_tensors(first);
  const TensorMap there = open_tensors(second);
  CheckpointDiff diff;
  {
    Bar bar("Comparing", here.size());
    diff = diff_tensors(here, there, [&bar](std::int64_t place) { bar(place); });
    bar.finish();
  }
  if (json) {
    JsonLine line;
    line.add("first", first).add("second", second).add("same", diff.same()).add("common", diff.common);
    line.add_json("only_first", names_json(diff.only_first));
    line.add_json("only_second", names_json(diff.only_second));
    line.add("indices", diff.indices).add("changed_indices", diff.changed_indices);
    line.add("changed_index_layers", diff.changed_index_layers);
    line.add_json("differing", rows_json(difference_columns(), diff.differing));
    print(indented_json(line.text()));
  } else {
    print(diff_text(diff, first, second, top));
  }
  return 0;
}

}  // namespace anemll
