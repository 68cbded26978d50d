#include "src/teacher/internal/pack.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/core/hash.hpp"
#include "src/datasets/holdout_place.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace anemll {
namespace {

/// Tokens of one part; whole blocks leave it at the front.
struct Part {
  std::vector<std::int32_t> pending;
  std::int64_t blocks = 0;

  /// Moves up to `limit` whole blocks of `length` tokens to `take`.
  template <class Take>
  void cut(std::int64_t length, std::int64_t limit, const Take& take) {
    const auto whole = std::min(static_cast<std::int64_t>(pending.size()) / length, limit);
    if (whole == 0) return;
    take(std::span<const std::int32_t>(pending.data(), static_cast<std::size_t>(whole * length)));
    pending.erase(pending.begin(), pending.begin() + whole * length);
    blocks += whole;
  }
};

/// Tokenizers may list more tokens than the weights have rows for; only one that occurs is a fault.
void check_ids(std::span<const std::int32_t> ids, const TextModel& text, const PackOptions& options,
               const std::string& where) {
  if (options.vocabulary == 0 || text.tokenizer.size() <= options.vocabulary) return;
  if (const auto bad = find_foreign_id(ids, options.vocabulary)) {
    throw_data("the token '" + text.tokenizer.decode(ids.subspan(*bad, 1)) + "' has the id " +
                   std::to_string(ids[*bad]) + "; the teacher's embedding has " +
                   std::to_string(options.vocabulary) + " rows",
               where, "leave this token out of the text, or use a teacher whose weights have it");
  }
}

/// The data set of a file.
std::size_t set_of(std::size_t file, const std::vector<std::size_t>& ends) {
  if (ends.empty()) return 0;
  const auto behind = std::upper_bound(ends.begin(), ends.end(), file);
  return std::min(static_cast<std::size_t>(behind - ends.begin()), ends.size() - 1);
}

}  // namespace

PackedText pack_documents(Dataset& dataset, const TextModel& text, const PackOptions& options,
                          const std::optional<std::filesystem::path>& path,
                          const std::function<void(std::int64_t)>& progress) {
  std::optional<AtomicFile> file;
  if (path) file.emplace(*path);
  Sha256 hash;
  const auto write = [&](std::span<const std::int32_t> ids) {
    if (file) file->write(std::as_bytes(ids));
    hash.update(std::as_bytes(ids));
  };
  PackedText packed;
  Part training;
  std::vector<Part> holdout(std::max<std::size_t>(options.ends.size(), 1));
  std::vector<std::vector<std::int32_t>> held(holdout.size());
  while (training.blocks < options.blocks) {
    std::optional<Document> document = dataset.next();
    if (!document) break;
    fit_to_template(*document, options.chat, options.thinking, options.thinking_asked, packed.inventory);
    const bool hold = options.holdout > 0 && holdout_place(*document, options.seed) < options.holdout;
    const std::size_t set = set_of(document->source, options.ends);
    Part& part = hold ? holdout[set] : training;
    const std::size_t before = part.pending.size();
    for (const std::string& variant : render_variants(*document, options.chat, options.thinking)) {
      const std::size_t start = part.pending.size();
      text.tokenizer.encode(variant, part.pending);
      if (text.eos_id && part.pending.size() > start) part.pending.push_back(*text.eos_id);
      check_ids(std::span(part.pending).subspan(start), text, options, document->where);
      if (packed.documents < options.samples)
        packed.samples.push_back(
            {document->where,
             {part.pending.begin() + static_cast<std::ptrdiff_t>(start), part.pending.end()}});
    }
    ++packed.documents;
    if (hold) ++packed.holdout_documents;
    const auto tokens = static_cast<std::int64_t>(part.pending.size() - before);
    packed.tokens += tokens;
    if (hold) packed.holdout_tokens += tokens;
    if (packed.sources.size() <= document->source) packed.sources.resize(document->source + 1);
    packed.sources[document->source].documents += 1;
    packed.sources[document->source].tokens += tokens;
    training.cut(options.length, options.blocks - training.blocks, write);
    holdout[set].cut(options.length, options.blocks, [&](std::span<const std::int32_t> ids) {
      held[set].insert(held[set].end(), ids.begin(), ids.end());
    });
    if (progress) progress(training.blocks);
  }
  packed.blocks = training.blocks;
  for (std::size_t set = 0; set < held.size(); ++set) {
    write(held[set]);
    packed.holdout_by_set.push_back(holdout[set].blocks);
    packed.holdout_blocks += holdout[set].blocks;
  }
  packed.sha256 = hash.finish_hex();
  if (file) file->commit();
  return packed;
}

}  // namespace anemll
