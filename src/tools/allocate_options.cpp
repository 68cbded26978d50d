#include "src/tools/allocate_options.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/datasets/dataset.hpp"
#include "anemll/model/compute_options.hpp"
#include "src/comm/watched_ranks.hpp"
#include "src/core/common_options.hpp"
#include "src/hub/hub_options.hpp"
#include "src/quant/scale_grid.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <string_view>

namespace anemll {
namespace {

/// "2,4,8": each from `least` to `most`, ascending, without repeats.
std::vector<std::int64_t> numbers_of(const std::string& text, const char* flag, std::int64_t least,
                                     std::int64_t most) {
  std::vector<std::int64_t> numbers;
  for (std::size_t first = 0; first <= text.size();) {
    const std::size_t end = std::min(text.find(',', first), text.size());
    std::int64_t number = 0;
    const auto read = std::from_chars(text.data() + first, text.data() + end, number);
    if (read.ec != std::errc() || read.ptr != text.data() + end || number < least || number > most)
      throw_usage(strf("'%s' is no list of numbers from %lld to %lld", text.c_str(),
                       static_cast<long long>(least), static_cast<long long>(most)),
                  flag, "give them with commas: 2,4");
    numbers.push_back(number);
    first = end + 1;
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

}  // namespace

std::string AllocateOptions::sensitivity_file() const {
  return sensitivity ? *sensitivity
                     : std::filesystem::path(output).replace_extension(".sensitivity.json").string();
}

OptionTable make_allocate_table(AllocateOptions& o) {
  OptionTable table("anemll_allocate", "Bits and rank of every linear: the least loss for a size");
  table.group("Model and result");
  table.add_positional("MODEL", &o.model_name, "plain weights: folder, .gguf file, or org/name on the hub",
                       true);
  add_revision_option(table, "model-revision", &o.model.revision, "the model", "main");
  table.add("output", &o.output, "JSON file for --layer-overrides of the programs that start layers");
  table.require("output");
  table.add("sensitivity", &o.sensitivity,
            "JSON file of what was measured; a later call with another target measures nothing that it has "
            "(default: beside --output, with the ending .sensitivity.json)");
  table.add_flag("overwrite", &o.overwrite,
                 "replace a file at --output, and one at --sensitivity that was measured on something else");
  table.group("Size (one of the two)");
  table.add("bits-target", &o.bits_target, "bits of a weight of the linears, tables and scales included", 0.5,
            16);
  table.add("size-target", &o.size_target, "MiB of all weights, embedding and head at 16 bits", 0,
            std::numeric_limits<double>::max());
  table.add("scale-bits", &o.scale_bits,
            "8 or 16: bits of a scale, as anemll_snap --scale-bits will store them", 8, 16);
  table.add("bits", &o.bits,
            "widths of codes that may be chosen, 1 to 4; 2,4 is what all known converters have a type for");
  table.add("ranks", &o.ranks, "ranks of scales that may be chosen");
  table.group("Text");
  table.add("text", &o.texts, "UTF-8 file, which is one text; may be given several times");
  table.add("jsonl", &o.records,
            "data set (file, folder or pattern) whose documents are texts of their own; may be given several "
            "times");
  table.add_choice("dataset-format", &o.text.format, "what the records of --jsonl look like");
  table.add("text-field", &o.text.text_field, "field of the text in plain records");
  table.add("cache-dir", &o.caches, "KD cache whose sequences are the texts; may be given several times");
  table.add("work-dir", &o.work_dir, "where .pt shards of a cache are imported once");
  table.add("chunks", &o.text.chunks, "chunks of each text, sequences of each cache; 0: all", 0,
            std::numeric_limits<std::int32_t>::max());
  table.add("context", &o.text.protocol.context, "tokens of a chunk", 4, 1 << 20);
  table.group("Measurement");
  table.add("probe-bits", &o.measured.probe.bits, "bits of a group while its sensitivity is measured", 1, 4);
  table.add("probe-rank", &o.measured.probe.rank, "rank of its scales", 1, 4096);
  table.add("layers-per-group", &o.measured.layers, "layers whose linears of one kind are measured together",
            1, 1 << 20);
  table.group("Machine");
  add_device_option(table, &o.model.device);
  add_threads_option(table, &o.threads);
  add_watch_option(table, &o.work_timeout);
  add_strict_option(table, &o.model.strict, "the model's files");
  for (const char* path : {"output", "sensitivity", "text", "jsonl", "cache-dir", "work-dir"})
    table.mark_path(path);
  return table;
}

void check_allocate_options(AllocateOptions& o) {
  if (o.bits_target.has_value() == o.size_target.has_value())
    throw_usage(o.bits_target ? "two targets are given" : "no target is given",
                "--bits-target, --size-target", "give one of them, for example --bits-target 3.56");
  require_scale_bits(o.scale_bits);
  if (o.texts.empty() && o.records.empty() && o.caches.empty())
    throw_usage("there is no text to measure on", "--text, --jsonl, --cache-dir",
                "give a text, for example --text wiki.valid.txt");
  for (const std::int64_t bits : numbers_of(o.bits, "--bits", 1, 4)) {
    for (const std::int64_t rank : numbers_of(o.ranks, "--ranks", 1, 4096))
      o.measured.widths.push_back({bits, rank});
  }
}

std::vector<OptionEffect<AllocateOptions>> allocate_option_effects() {
  const auto no_text = [](const AllocateOptions& o) { return o.texts.empty() && o.records.empty(); };
  const auto no_records = [](const AllocateOptions& o) { return o.records.empty(); };
  return {
      {"context", "without --text or --jsonl: sequences of a cache are as long as they are", no_text},
      {"dataset-format", "without --jsonl", no_records},
      {"text-field", "without --jsonl", no_records},
      {"text-field", "with another format than plain",
       [](const AllocateOptions& o) { return o.text.format != RecordFormat::plain; }},
      {"work-dir", "without --cache-dir", [](const AllocateOptions& o) { return o.caches.empty(); }},
  };
}

}  // namespace anemll
