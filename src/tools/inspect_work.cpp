// anemll_inspect work: what the passes of a model cost, and how fast this machine multiplies. What recipes
// choose their sizes by.
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/core/options.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/model/architecture.hpp"
#include "anemll/model/model_files.hpp"
#include "src/core/metrics_log.hpp"
#include "src/core/option_effects.hpp"
#include "src/core/platform.hpp"
#include "src/core/result_files.hpp"
#include "src/inspect/text_table.hpp"
#include "src/source/recorded_model.hpp"
#include "src/tools/inspect_commands.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>

namespace anemll {
namespace {

constexpr int kRuns = 2;  // behind one that warms up

struct Options {
  std::string model;
  ModelFlags flags;
  std::int64_t size = 4096;
  std::int64_t threads = 0;
  std::optional<std::string> output;
  bool overwrite = false;
};

OptionTable make_table(Options& o) {
  OptionTable table("anemll_inspect work",
                    "Sizes of a model that its passes cost by, and the rate of square products here.");
  table.add_positional("MODEL", &o.model, "plain weights: folder, .gguf file, or org/name on the hub", true);
  table.add("model-revision", &o.flags.revision, "branch, tag or commit of the model on the hub");
  add_device_option(table, &o.flags.device);
  table.add("size", &o.size, "rows and columns of the products; 0: nothing is measured", 0, 1 << 15);
  table.add("output", &o.output, "JSON file for the figures; without it they are printed");
  add_overwrite_option(table, &o.overwrite);
  add_threads_option(table, &o.threads);
  table.mark_path("output");
  return table;
}

/// The best of a few products, in GFLOP/s (a multiply-add counts 2).
double rate(std::int64_t size, at::ScalarType dtype, at::Device device) {
  const auto drawn = [&] { return at::randn({size, size}).to(dtype).to(device); };
  const at::Tensor a = drawn();
  const at::Tensor b = drawn();
  at::Tensor c = at::empty({size, size}, a.options());
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run <= kRuns; ++run) {
    const auto began = std::chrono::steady_clock::now();
    at::mm_out(c, a, b);
    c.select(0, 0).select(0, 0).cpu();  // a device runs ahead of this thread
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    if (run > 0) best = std::min(best, seconds);
  }
  const auto n = static_cast<double>(size);
  return 2 * n * n * n / best / 1e9;
}

}  // namespace

int inspect_work_command(int argc, const char* const* argv) {
  Options o;
  OptionTable table = make_table(o);
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  if (o.overwrite && !o.output) tell_unread({{"overwrite", "without --output"}});
  const ResultFiles results(o.output ? std::vector{*o.output} : std::vector<std::string>{}, o.overwrite);
  const at::Device device = prepare_compute(o.flags, o.threads);
  HubOptions hub;
  hub.revision = o.flags.revision.value_or("main");
  const Architecture model = read_architecture(fetch_model(o.model, hub, ModelUse::all).path);

  double weights = 0, squared_inputs = 0, solving = 0;
  for (const LinearSpec& linear : body_linears(model)) {
    const auto in = static_cast<double>(linear.in), out = static_cast<double>(linear.out);
    weights += in * out;
    solving += in * in * out;
    // k and v have the input of q, up has that of gate.
    const bool shares = linear.name.ends_with("k_proj") || linear.name.ends_with("v_proj") ||
                        linear.name.ends_with("up_proj");
    if (!shares) squared_inputs += in * in;
  }
  JsonLine line;
  line.add("model", o.model).add("layers", model.layer_count()).add("hidden_size", model.hidden_size);
  line.add("positions", model.max_positions).add("linear_weights", weights);
  line.add("attention_width", model.heads * model.head_dim);
  line.add("head_weights", static_cast<double>(model.vocab_size) * static_cast<double>(model.hidden_size));
  line.add("squared_inputs", squared_inputs).add("solved_weights", solving);
  if (o.size > 0) {
    const bool bf16 = device.is_cuda() || cpu_has_bf16();
    line.add("gflops_fp32", rate(o.size, at::kFloat, device));
    if (bf16) line.add("gflops_bf16", rate(o.size, at::kBFloat16, device));
  }
  const std::string text = indented_json(line.text());
  if (o.output) {
    write_file(*o.output, text);
    log_info(*o.output + ": sizes of the model and the rate of this machine");
  } else {
    std::fputs(text.c_str(), stdout);
  }
  return 0;
}

}  // namespace anemll
