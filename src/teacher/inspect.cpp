#include "src/teacher/internal/inspect.hpp"

#include "anemll/core/log.hpp"
#include "src/core/printable.hpp"
#include "src/data/schema.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

namespace fs = std::filesystem;
constexpr std::int64_t kSamples = 3;
constexpr std::size_t kSampleTokens = 300;
constexpr std::size_t kShown = 20;

std::string number(std::int64_t value) {
  return std::to_string(value);
}

std::string share(std::int64_t part, std::int64_t all) {
  return all == 0 ? std::string("-")
                  : strf("%.1f%%", 100.0 * static_cast<double>(part) / static_cast<double>(all));
}

void add_files(std::string& out, const PrecomputeOptions& o, const PackedDataset& read) {
  std::int64_t documents = 0, tokens = 0;
  for (const PackedText::Source& source : read.packed.sources) {
    documents += source.documents;
    tokens += source.tokens;
  }
  out += "files: " + number(static_cast<std::int64_t>(read.files.size())) +
         ", chosen by: " + printable(read.report.why) + '\n';
  for (std::size_t i = 0; i < read.files.size() && i < kShown; ++i) {
    const PackedText::Source source =
        i < read.packed.sources.size() ? read.packed.sources[i] : PackedText::Source{};
    out += "  " + printable(read.files[i].string()) + ": " + number(source.documents) + " documents, " +
           number(source.tokens) + " tokens (" + share(source.tokens, tokens) + " of the text)\n";
  }
  if (read.files.size() > kShown)
    out += "  ... and " + number(static_cast<std::int64_t>(read.files.size() - kShown)) + " more\n";
  out += "text: " + number(documents) + " documents, " + number(tokens) + " tokens";
  if (read.packed.blocks >= rows_of(o, o.num_sequences))
    out += " (enough for --num_sequences " + number(o.num_sequences) + "; what is behind them is not read)";
  out += '\n';
}

/// What is used, and what becomes of the rest.
void add_parts(std::string& out, const Inventory& inventory) {
  const nlohmann::ordered_json parts = nlohmann::ordered_json::parse(inventory.json());
  out += "used:";
  if (parts["used"].empty()) out += " nothing";
  out += '\n';
  for (const auto& [kind, names] : parts["used"].items()) {
    out += "  " + kind + "s: ";
    std::size_t shown = 0;
    for (const auto& [name, count] : names.items()) {
      if (shown++ == kShown) break;
      out += (shown == 1 ? "" : ", ") + printable(name) + " x " + number(count.get<std::int64_t>());
    }
    out += names.size() > kShown ? ", ...\n" : "\n";
  }
  const std::vector<std::string> left_out = inventory.left_out_lines();
  out += left_out.empty() ? "left out: nothing\n" : "left out:\n";
  for (const std::string& line : left_out) out += "  " + line + '\n';
}

void add_size(std::string& out, const PrecomputeOptions& o, const TeacherInputs& teacher,
              const PackedText& packed) {
  const CacheShape shape = shape_of(o, teacher.model);
  std::int64_t row = 0;
  for (const DatasetSpec& spec : datasets_of(shape)) row += static_cast<std::int64_t>(spec.row_bytes());
  const std::int64_t rows = rows_of(o, packed.blocks) + packed.holdout_blocks;
  out += strf(
      "cache: %lld sequences of %lld tokens (%lld of them held out), %lld bytes each: %lld bytes (%s), and "
      "as much again while it is made\n",
      static_cast<long long>(rows), static_cast<long long>(o.max_length),
      static_cast<long long>(packed.holdout_blocks), static_cast<long long>(row),
      static_cast<long long>(rows) * row, format_bytes(static_cast<std::uint64_t>(rows * row)).c_str());
  if (packed.blocks < o.num_sequences) {
    out += "  the text gives fewer sequences than the " + number(o.num_sequences) +
           " that --num_sequences asks for\n";
  }
}

}  // namespace

std::string marked_tokens(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids,
                          std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < std::min(ids.size(), most); ++i) {
    const std::array<std::int32_t, 1> one = {ids[i]};
    std::string text = tokenizer.decode(one);
    const bool special = tokenizer.decode(one, /*skip_special_tokens=*/true).empty() && !text.empty();
    std::string shown;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find_first_of("\n\t", at), text.size());
      shown += printable(std::string_view(text).substr(at, end - at));
      if (end < text.size()) shown += text[end] == '\n' ? "\\n" : "\\t";
      at = end + 1;
    }
    out += special ? "[[" + shown + "]]"
                   : (i == 0 || out.ends_with("]]") || out.ends_with("\n  ") ? "" : "|") + shown;
    if (text.ends_with('\n')) out += "\n  ";
  }
  if (ids.size() > most) out += " ... (" + number(static_cast<std::int64_t>(ids.size() - most)) + " more)";
  return out;
}

std::string inspection(const PrecomputeOptions& o, const TeacherInputs& teacher, const PackedDataset& read) {
  std::string out;
  add_files(out, o, read);
  if (read.report.bad_records > 0) {
    out += "bad records, passed over: " + number(read.report.bad_records) + '\n';
    for (const std::string& example : read.report.bad_examples) out += "  " + printable(example) + '\n';
  }
  out += "template: " +
         (teacher.chat ? teacher.chat->name() + ", --enable_thinking " + choice_name(o.enable_thinking)
                       : "none") +
         '\n';
  add_parts(out, read.inventory);
  add_size(out, o, teacher, read.packed);
  if (!read.packed.samples.empty()) {
    out +=
        "samples: the first texts as the teacher reads them. | stands between tokens, [[ ]] around special "
        "ones";
    const bool twice = o.enable_thinking == Thinking::both || o.enable_thinking == Thinking::all;
    if (teacher.chat && twice)
      out += strf(". Each stands here in every form that --enable_thinking %s makes of it",
                  choice_name(o.enable_thinking).c_str());
    out += '\n';
  }
  std::size_t number_of = 0;
  for (const PackedText::Sample& sample : read.packed.samples) {
    out += "sample " + number(static_cast<std::int64_t>(++number_of)) + ", " + printable(sample.where) +
           ", " + number(static_cast<std::int64_t>(sample.ids.size())) + " tokens:\n  " +
           marked_tokens(teacher.text.tokenizer, sample.ids, kSampleTokens) + '\n';
  }
  return out;
}

void inspect_precompute(const PrecomputeOptions& o, const std::function<void(const std::string&)>& show) {
  check_hub_cache(o);
  const TeacherInputs teacher = open_teacher(o);
  const PackedDataset read = pack_dataset(o, teacher, std::nullopt, kSamples);
  show(inspection(o, teacher, read));
  if (!o.strict) return;
  teacher.parts.tell(o.teacher, true);
  read.inventory.tell(*o.dataset.name, true);
}

}  // namespace anemll
