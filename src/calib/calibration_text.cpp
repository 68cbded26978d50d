#include "src/calib/calibration_text.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/data/kd_cache.hpp"
#include "anemll/text/chat_template.hpp"
#include "src/core/hash.hpp"
#include "src/core/signals.hpp"
#include "src/datasets/holdout_place.hpp"
#include "src/datasets/mixture.hpp"
#include "src/datasets/pieces.hpp"
#include "src/teacher/open_texts.hpp"
#include "src/teacher/variants.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include <ATen/ops/empty.h>
#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using Index = std::int64_t;
using Json = nlohmann::ordered_json;

/// What rank 0 has read, in the form that travels.
struct Packed {
  Index length = 0;
  std::vector<std::int32_t> ids, holdout_ids;
  std::vector<std::uint8_t> mask, holdout_mask;  // empty: all count
  std::vector<Index> source_of, holdout_source_of;
  std::vector<TextSource> sources;
};

/// The rows of one source: training's first, then those of other documents.
class SourceReader {
 public:
  SourceReader(const CalibrationTextOptions& options, const TextModel& text, Index vocab_size,
               const std::optional<ChatTemplate>& chat, bool alternate, double holdout)
      : options_(options),
        text_(text),
        vocab_size_(vocab_size),
        chat_(chat),
        alternate_(alternate),
        share_(holdout) {}

  void read(Dataset& dataset, Index rows, Index holdout_rows, TextSource& source) {
    const auto full = [&](const std::vector<std::int32_t>& ids, Index wanted) {
      return static_cast<Index>(ids.size()) >= wanted * options_.length;
    };
    while (!full(training, rows) || !full(held, holdout_rows)) {
      leave_on_signal("reading text", "nothing was made yet: run the same command again");
      std::optional<Document> document = dataset.next();
      if (!document) break;
      for (Document& piece : pieces_of(std::move(*document))) add(piece, source);
    }
    cut(training, rows);
    cut(held, holdout_rows);
    source.rows = static_cast<Index>(training.size()) / options_.length;
    source.tokens = static_cast<Index>(training.size());
    source.holdout_rows = static_cast<Index>(held.size()) / options_.length;
  }

  std::vector<std::int32_t> training, held;
  Inventory inventory;

 private:
  void add(Document& document, TextSource& source) {
    const bool hold = share_ > 0 && holdout_place(document, options_.seed) < share_;
    const bool plainly = alternate_ && source.documents % 2 == 1;
    const Thinking thinking = plainly ? Thinking::none : Thinking::off;
    ++source.documents;
    fit_to_template(document, chat_, thinking, false, inventory);
    std::vector<std::int32_t>& to = hold ? held : training;
    for (const std::string& variant : render_variants(document, chat_, thinking)) {
      const std::size_t start = to.size();
      text_.tokenizer.encode(variant, to);
      if (text_.eos_id && to.size() > start) to.push_back(*text_.eos_id);
      if (const auto bad = find_foreign_id(std::span(to).subspan(start), vocab_size_))
        throw_data(strf("the text has the token id %d, and the model has %lld ids", to[start + *bad],
                        static_cast<long long>(vocab_size_)),
                   document.where, "leave the document out, or use the model's own tokenizer files");
    }
  }
  void cut(std::vector<std::int32_t>& ids, Index rows) const {
    const Index whole = std::min(static_cast<Index>(ids.size()) / options_.length, rows);
    ids.resize(static_cast<std::size_t>(whole * options_.length));
  }

  const CalibrationTextOptions& options_;
  const TextModel& text_;
  Index vocab_size_;
  const std::optional<ChatTemplate>& chat_;
  bool alternate_;
  double share_;
};

/// Rows of the sources in turn, each by the share that it has of them.
void interleave(const std::vector<std::vector<std::int32_t>>& by_source, Index length,
                std::vector<std::int32_t>& ids, std::vector<Index>& source_of) {
  std::vector<MixturePart> parts;
  std::vector<bool> open;
  for (const std::vector<std::int32_t>& source : by_source) {
    parts.push_back({"", std::max(static_cast<double>(source.size()), 1.0), std::nullopt});
    open.push_back(!source.empty());
  }
  std::vector<double> taken(by_source.size(), 0);
  while (std::find(open.begin(), open.end(), true) != open.end()) {
    const std::size_t part = next_part(parts, taken, open);
    const auto begin = by_source[part].begin() + static_cast<std::ptrdiff_t>(taken[part]);
    ids.insert(ids.end(), begin, begin + length);
    source_of.push_back(static_cast<Index>(part));
    taken[part] += static_cast<double>(length);
    open[part] = static_cast<std::size_t>(taken[part]) < by_source[part].size();
  }
}

Packed read_data_sets(const CalibrationTextOptions& o, const TextModel& text, Index vocab_size) {
  const std::vector<MixturePart> parts = mixture_of(o.dataset);
  std::optional<ChatTemplate> chat;
  if (has_chat(parts, o.dataset.format))
    chat = ChatTemplate::recognise(text.chat_template, text.template_source);
  const bool all_chat = std::all_of(parts.begin(), parts.end(), [&](const MixturePart& part) {
    return part.format.value_or(o.dataset.format) != RecordFormat::plain;
  });
  if (all_chat)
    log_info(
        "all text is chat: every other conversation is taken as plain text, for text of one kind calibrates "
        "worse");
  const double wanted = static_cast<double>(o.rows + o.holdout_rows);
  const double holdout = o.holdout > 0 ? o.holdout : static_cast<double>(o.holdout_rows) / wanted;
  const std::vector<Index> rows = share_out(parts, o.rows);
  const std::vector<Index> holdout_rows = share_out(parts, o.holdout_rows);

  DatasetOptions reading = o.dataset.reading();
  reading.seed = o.seed;
  Packed packed;
  packed.length = o.length;
  std::vector<std::vector<std::int32_t>> training, held;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const OpenText source = open_text(parts[i], reading, o.hub);
    SourceReader reader(o, text, vocab_size, chat, all_chat, holdout);
    TextSource& counts = packed.sources.emplace_back();
    counts.name = parts[i].name;
    counts.share = parts[i].share;
    reader.read(*source.documents, rows[i], holdout_rows[i], counts);
    Inventory inventory = source.documents->report().inventory;
    inventory.add(reader.inventory);
    inventory.tell(parts[i].name, false);
    if (counts.rows < rows[i] || counts.holdout_rows < holdout_rows[i])
      log_warning(strf("%s: %lld rows and %lld held out, %lld and %lld were asked for: the text is too short",
                       parts[i].name.c_str(), static_cast<long long>(counts.rows),
                       static_cast<long long>(counts.holdout_rows), static_cast<long long>(rows[i]),
                       static_cast<long long>(holdout_rows[i])));
    training.push_back(std::move(reader.training));
    held.push_back(std::move(reader.held));
  }
  interleave(training, o.length, packed.ids, packed.source_of);
  interleave(held, o.length, packed.holdout_ids, packed.holdout_source_of);
  return packed;
}

/// The first rows of a part of a cache.
void take_rows(KdCache& cache, Index rows, std::vector<std::int32_t>& ids, std::vector<std::uint8_t>& mask,
               std::vector<Index>& source_of) {
  std::vector<Index> numbers(static_cast<std::size_t>(std::min(rows, cache.info().sequences)));
  std::iota(numbers.begin(), numbers.end(), 0);
  KdBatch batch;
  cache.read(numbers, {}, batch);
  const auto row_ids = batch[kd::input_ids];
  ids.assign(row_ids.begin(), row_ids.end());
  const auto row_mask = batch[kd::attention_mask];
  if (std::find(row_mask.begin(), row_mask.end(), 0) != row_mask.end())
    mask.assign(row_mask.begin(), row_mask.end());
  source_of.assign(numbers.size(), 0);
}

Packed read_cache(const CalibrationTextOptions& o, const ModelIds& ids) {
  const std::filesystem::path path = ensure_hdf5_cache(*o.cache, o.work_dir, {});
  KdCache cache = KdCache::open(path);
  require_own_tokens(cache.info(), ids, *o.cache);
  cache.require_vocabulary(ids.rows);
  Packed packed;
  packed.length = cache.info().length;
  take_rows(cache, o.rows, packed.ids, packed.mask, packed.source_of);
  TextSource& counts = packed.sources.emplace_back();
  counts.name = *o.cache;
  counts.rows = static_cast<Index>(packed.source_of.size());
  counts.tokens = packed.mask.empty() ? static_cast<Index>(packed.ids.size())
                                      : std::count(packed.mask.begin(), packed.mask.end(), std::uint8_t{1});
  if (o.holdout_rows > 0) {
    if (cache.info().holdout_sequences == 0)
      throw_data("the cache has no hold-out part", *o.cache,
                 "make it with --holdout 0.02, or give text instead");
    KdCache held = KdCache::open(path, CachePart::holdout);
    held.require_vocabulary(ids.rows);
    take_rows(held, o.holdout_rows, packed.holdout_ids, packed.holdout_mask, packed.holdout_source_of);
    counts.holdout_rows = static_cast<Index>(packed.holdout_source_of.size());
  }
  if (counts.rows < o.rows || counts.holdout_rows < o.holdout_rows)
    log_warning(strf("%s: %lld sequences and %lld held out, %lld and %lld were asked for", o.cache->c_str(),
                     static_cast<long long>(counts.rows), static_cast<long long>(counts.holdout_rows),
                     static_cast<long long>(o.rows), static_cast<long long>(o.holdout_rows)));
  return packed;
}

template <class T>
void broadcast(Communicator& comm, std::vector<T>& values) {
  auto size = static_cast<Index>(values.size());
  comm.broadcast(std::as_writable_bytes(std::span(&size, 1)), 0);
  values.resize(static_cast<std::size_t>(size));
  if (size > 0) comm.broadcast(std::as_writable_bytes(std::span(values)), 0);
}

void broadcast(Communicator& comm, std::vector<TextSource>& sources) {
  std::string text;
  if (comm.is_root()) {
    Json all = Json::array();
    for (const TextSource& s : sources)
      all.push_back({s.name, s.share, s.documents, s.rows, s.tokens, s.holdout_rows});
    text = all.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  broadcast_string(comm, text, 0);
  sources.clear();
  for (const Json& s : Json::parse(text))
    sources.push_back({s[0].get<std::string>(), s[1].get<double>(), s[2].get<Index>(), s[3].get<Index>(),
                       s[4].get<Index>(), s[5].get<Index>()});
}

TextRows rows_of(const std::vector<std::int32_t>& ids, const std::vector<std::uint8_t>& mask,
                 std::vector<Index> source_of, Index length) {
  TextRows rows;
  rows.source_of = std::move(source_of);
  const auto count = static_cast<Index>(rows.source_of.size());
  rows.ids = at::empty({count, length}, at::kLong);
  std::copy(ids.begin(), ids.end(), rows.ids.data_ptr<std::int64_t>());
  if (!mask.empty()) {
    rows.mask = at::empty({count, length}, at::kByte);
    std::copy(mask.begin(), mask.end(), rows.mask.data_ptr<std::uint8_t>());
  }
  return rows;
}

}  // namespace

CalibrationText read_calibration_text(const CalibrationTextOptions& o, const TextModel* text,
                                      const ModelIds& ids, Communicator& comm) {
  Packed packed;
  on_root(comm, [&] {
    packed = o.cache ? read_cache(o, ids) : read_data_sets(o, *text, ids.rows);
    if (packed.source_of.empty())
      throw_data(strf("the text does not fill one row of %lld tokens", static_cast<long long>(packed.length)),
                 o.cache ? *o.cache : *o.dataset.name, "use more text, or a smaller --max_length");
  });
  comm.broadcast(std::as_writable_bytes(std::span(&packed.length, 1)), 0);
  broadcast(comm, packed.ids);
  broadcast(comm, packed.holdout_ids);
  broadcast(comm, packed.mask);
  broadcast(comm, packed.holdout_mask);
  broadcast(comm, packed.source_of);
  broadcast(comm, packed.holdout_source_of);
  broadcast(comm, packed.sources);

  CalibrationText result;
  Sha256 hash;
  hash.update(strf("%lld\n", static_cast<long long>(packed.length)));
  hash.update(std::as_bytes(std::span(packed.ids)));
  hash.update(std::as_bytes(std::span(packed.mask)));
  result.sha256 = hash.finish_hex();
  result.rows = rows_of(packed.ids, packed.mask, std::move(packed.source_of), packed.length);
  result.holdout =
      rows_of(packed.holdout_ids, packed.holdout_mask, std::move(packed.holdout_source_of), packed.length);
  result.sources = std::move(packed.sources);
  return result;
}

}  // namespace anemll
