#include "src/eval/eval_text.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/text/chat_template.hpp"
#include "src/core/content_kind.hpp"
#include "src/data/first_rows.hpp"
#include "src/data/origin.hpp"
#include "src/datasets/mixture.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

namespace anemll {
namespace {

constexpr const char* kTooShort = "give a longer text, or a shorter --context";

std::int64_t room_left(const EvalText& text, std::size_t before, std::int64_t chunks) {
  const auto taken = static_cast<std::int64_t>(text.windows.size() - before);
  return chunks == 0 ? std::numeric_limits<std::int64_t>::max() : chunks - taken;
}

/// The first of `windows` that there is room for. Returns whether there was for all.
void append(EvalText& to, std::vector<ScoreWindow> windows, std::int64_t room) {
  const auto count = std::min(static_cast<std::int64_t>(windows.size()), room);
  for (std::int64_t w = 0; w < count; ++w) {
    to.windows.push_back(std::move(windows[static_cast<std::size_t>(w)]));
    to.source_of.push_back(to.sources.size() - 1);
  }
}

std::vector<std::int32_t> encode(const Tokenizer& tokenizer, const std::string& text,
                                 const std::string& where) {
  try {
    return tokenizer.encode(text);
  } catch (const Error& e) {
    throw Error(e.code(), e.problem(), where, e.hint());  // the tokenizer does not know whose text it is
  }
}

/// How documents become text.
class Renderer {
 public:
  Renderer(const TextModel& text, const std::string& date) : text_(text), date_(date) {}

  /// Nothing for a conversation of which the template leaves out a turn, a call or tools, or that it refuses.
  std::optional<std::string> operator()(const Document& document) {
    if (document.messages.empty()) return document.text;
    if (!chat_) {
      chat_ = ChatTemplate::recognise(text_.chat_template, text_.template_source);
      if (!date_.empty()) chat_->set_date(date_);
    }
    const bool known =
        std::all_of(document.messages.begin(), document.messages.end(), [&](const ChatMessage& m) {
          return chat_->knows_role(m.role) && (m.tool_calls.empty() || chat_->prints_calls(m));
        });
    if (!known || (!document.tools.empty() && !chat_->has_tools())) return std::nullopt;
    if (!chat_->refusal(document.messages, document.tools).empty()) return std::nullopt;
    return strip_thinking(chat_->render(document.messages, false, false, document.tools));
  }

 private:
  const TextModel& text_;
  std::string date_;
  std::optional<ChatTemplate> chat_;
};

/// The first chunks of one data set.
void add_part(EvalText& to, const std::string& path, const TextModel& text, const EvalTextOptions& options) {
  DatasetOptions reading;
  reading.format = options.format;
  reading.text_field = options.text_field;
  reading.map = field_columns(options.map);
  reading.max_bad_records = options.max_bad_records;
  reading.shuffle = false;
  reading.streaming = true;
  const std::unique_ptr<Dataset> dataset = Dataset::open(path, reading);
  to.sources.push_back(path);
  const std::size_t before = to.windows.size();
  Renderer render(text, options.template_date);
  std::int64_t documents = 0;
  std::int64_t too_short = 0;
  std::int64_t unknown = 0;
  while (room_left(to, before, options.chunks) > 0) {
    const std::optional<Document> document = dataset->next();
    if (!document) break;
    ++documents;
    const std::optional<std::string> content = render(*document);
    if (!content) {
      ++unknown;
      continue;
    }
    std::vector<ScoreWindow> windows =
        cut_windows(encode(text.tokenizer, *content, document->where), options.protocol);
    if (windows.empty()) ++too_short;
    append(to, std::move(windows), room_left(to, before, options.chunks));
  }
  if (to.windows.size() == before)
    throw_data("none of " + std::to_string(documents) + " documents can be scored", path,
               "give texts of at least four tokens in the form of --dataset-format");
  log_info(strf("%s: %zu chunks of %lld documents", path.c_str(), to.windows.size() - before,
                static_cast<long long>(documents)));
  if (options.tells && too_short + unknown > 0)
    log_warning(
        strf("%s: not scored: %lld documents too short for a chunk, %lld conversations with what the "
             "chat template has no rule for or refuses",
             path.c_str(), static_cast<long long>(too_short), static_cast<long long>(unknown)));
}

/// Nothing where its mask leaves nothing to score.
void add_row(EvalText& to, const KdBatch& batch, std::int64_t row) {
  const std::int64_t scored = std::min(batch.length - 1, batch.positions);
  const auto begin = static_cast<std::size_t>(row * batch.length);
  const auto length = static_cast<std::size_t>(batch.length);
  const auto ids = batch[kd::input_ids].subspan(begin, length);
  const auto mask = batch[kd::attention_mask].subspan(begin, length);
  if (!std::any_of(mask.begin() + 1, mask.begin() + 1 + scored, [](std::uint8_t m) { return m != 0; }))
    return;
  ScoreWindow window{{ids.begin(), ids.end()}, 0, scored, {}};
  if (std::find(mask.begin(), mask.end(), 0) != mask.end()) window.mask.assign(mask.begin(), mask.end());
  to.windows.push_back(std::move(window));
  to.source_of.push_back(to.sources.size() - 1);
}

}  // namespace

void add_text(EvalText& to, const std::string& file, const Tokenizer& tokenizer,
              const EvalTextOptions& options) {
  const std::vector<std::int32_t> ids = encode(tokenizer, read_input_text(file), file);
  std::vector<ScoreWindow> windows = cut_windows(ids, options.protocol);
  if (windows.empty())
    throw_data("the text has " + std::to_string(ids.size()) + " tokens: nothing of it can be scored", file,
               kTooShort);
  const auto all = static_cast<std::int64_t>(windows.size());
  to.sources.push_back(file);
  append(to, std::move(windows), options.chunks == 0 ? all : options.chunks);
  log_info(strf("%s: %zu tokens, %lld of %lld chunks", file.c_str(), ids.size(),
                static_cast<long long>(options.chunks == 0 ? all : std::min(all, options.chunks)),
                static_cast<long long>(all)));
}

void add_records(EvalText& to, const std::string& datasets, const TextModel& text,
                 const EvalTextOptions& options) {
  const std::vector<MixturePart> parts = parse_mixture(datasets, "--jsonl");
  if (parts.size() > 1 && options.chunks == 0)
    throw_usage("shares of all chunks mean nothing", strf("--jsonl %s", datasets.c_str()),
                "give --chunks, or each data set a --jsonl of its own");
  const std::vector<std::int64_t> chunks = share_out(parts, options.chunks);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (options.chunks > 0 && chunks[i] == 0) continue;
    EvalTextOptions part = options;
    part.chunks = chunks[i];
    part.format = parts[i].format.value_or(options.format);
    add_part(to, parts[i].name, text, part);
  }
}

void add_cache(EvalText& to, const std::string& cache, const std::filesystem::path& work_dir,
               const ModelIds& ids, std::int64_t rows, Communicator& comm, CachePart part) {
  constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max();
  const std::int64_t count = rows == 0 ? kAll : rows;
  const bool held = part == CachePart::holdout;
  on_root(comm, [&] { read_first_rows(cache, work_dir, 1, ids); });  // it may import, and it looks at tokens
  const KdBatch batch = read_checked_rows(cache, work_dir, held ? kAll : count, ids.rows, part);
  std::vector<HoldoutSource> sources{{"", batch.rows}};
  if (held) sources = holdout_sources(KdCache::open(cache).info().meta_json, batch.rows);
  std::int64_t first = 0;
  for (const HoldoutSource& source : sources) {
    to.sources.push_back(cache + (held ? " held out" : "") + (source.name.empty() ? "" : ": " + source.name));
    const std::int64_t taken = std::min(source.sequences, count);
    for (std::int64_t row = first; row < first + taken; ++row) add_row(to, batch, row);
    first += source.sequences;
    log_info(strf("%s: %lld sequences of %lld tokens", to.sources.back().c_str(),
                  static_cast<long long>(taken), static_cast<long long>(batch.length)));
  }
}

void require_fit(std::span<const ScoreWindow> windows, std::int64_t vocab_size, std::int64_t max_positions,
                 const std::string& model) {
  for (const ScoreWindow& window : windows) {
    const auto length = static_cast<std::int64_t>(window.ids.size());
    if (max_positions > 0 && length > max_positions)
      throw_data("a chunk of " + std::to_string(length) + " tokens, and the model takes " +
                     std::to_string(max_positions),
                 model, "give a smaller --context, or shorter questions");
    if (const auto bad = find_foreign_id(window.ids, vocab_size))
      throw_data("the text has the token id " + std::to_string(window.ids[*bad]) + ", and the model has " +
                     std::to_string(vocab_size) + " ids",
                 model, "models are compared on the ids of one tokenizer: --tokenizer names its model");
  }
}

}  // namespace anemll
