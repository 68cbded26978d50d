// Tables of a tokenizer and the two ways through them.
#include "anemll/text/tokenizer.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/printable.hpp"
#include "src/text/internal/added_tokens.hpp"
#include "src/text/internal/bpe.hpp"
#include "src/text/internal/byte_alphabet.hpp"
#include "src/text/internal/byte_table.hpp"
#include "src/text/internal/nfc.hpp"
#include "src/text/internal/piece_cache.hpp"
#include "src/text/internal/splitter.hpp"
#include "src/text/utf8.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <limits>
#include <unordered_map>

namespace anemll {
namespace {

using text::AddedTokenFinder;

// Longer pieces are rare and would keep useless entries.
constexpr std::size_t kLongestCachedPiece = 256;
constexpr std::size_t kMostUnusedIds = 65536;
constexpr std::size_t kLongestPiece = std::size_t{1} << 31;

/// Whether merging the bytes of a token gives that token; found out when it is first asked.
enum class Whole : std::uint8_t { unknown, yes, no };

}  // namespace

struct Tokenizer::Impl {
  Impl(const TokenizerSpec& spec, std::string where_name);

  /// What one call of encode works with.
  struct Work {
    std::vector<std::int32_t>* ids = nullptr;
    text::BpeScratch bpe;
    text::PieceCache cache;
    std::deque<std::string> normalised;  // the cache has views of them
  };
  void encode_raw(std::string_view raw, Work& work) const;
  void encode_stretch(std::string_view stretch, Work& work) const;
  void encode_pieces(std::string_view normal, Work& work) const;
  void encode_piece(std::string_view piece, Work& work) const;
  void merge(std::string_view piece, Work& work) const;

  void index_vocabulary(const std::vector<std::string>& vocabulary);
  void index_merges(const std::vector<std::pair<std::string, std::string>>& pairs);
  void index_added(const std::vector<AddedToken>& added, const std::vector<std::string>& vocabulary);
  void index_bytes(const std::vector<std::string>& vocabulary);
  std::int32_t find_spelled(std::string_view token, std::string& buffer) const;
  [[noreturn]] void fail(const std::string& what) const {
    throw_data(what, where, "the file is damaged or was edited; " + fetch_advice(where));
  }

  std::string where;
  bool nfc;
  bool ignore_merges;
  std::vector<SplitPattern> split;
  text::ByteTable ids_of_bytes;                              // of vocabulary tokens that spell bytes
  std::unordered_map<std::string, std::int32_t> by_content;  // all others, and added tokens
  text::MergeTable merges;
  std::array<std::int32_t, 256> byte_ids{};  // -1: a byte without a token, dropped as the Python library does
  AddedTokenFinder raw_added;
  AddedTokenFinder normal_added;
  std::int64_t size = 0;
  std::string bytes;                 // what every id decodes to, one after the other
  std::vector<std::uint32_t> begin;  // [size + 1]
  std::vector<bool> known, special;  // [size]
  std::unique_ptr<std::atomic<Whole>[]> whole;
};

Tokenizer::Impl::Impl(const TokenizerSpec& spec, std::string where_name)
    : where(std::move(where_name)),
      nfc(spec.nfc),
      ignore_merges(spec.ignore_merges),
      split(spec.split),
      ids_of_bytes(spec.vocabulary.size()),
      merges(spec.merges.size()) {
  size = static_cast<std::int64_t>(spec.vocabulary.size());
  for (const AddedToken& token : spec.added) {
    if (token.id < 0 || token.id == std::numeric_limits<std::int32_t>::max())
      fail(strf("the added token %s has the id %d", in_quotes(token.content).c_str(), token.id));
    size = std::max(size, std::int64_t{token.id} + 1);
  }
  if (size > std::numeric_limits<std::int32_t>::max()) fail("the vocabulary has more than 2^31 ids");
  if (static_cast<std::size_t>(size) > spec.vocabulary.size() + spec.added.size() + kMostUnusedIds)
    fail(strf("an added token has the id %lld, far above all others", static_cast<long long>(size - 1)));
  if (split.size() > text::kMostSplitSteps) fail(strf("%zu steps of splitting are too many", split.size()));
  index_vocabulary(spec.vocabulary);
  index_merges(spec.merges);
  index_added(spec.added, spec.vocabulary);
  index_bytes(spec.vocabulary);
  whole = std::make_unique<std::atomic<Whole>[]>(static_cast<std::size_t>(size));
}

void Tokenizer::Impl::index_vocabulary(const std::vector<std::string>& vocabulary) {
  std::size_t total = 0;
  for (const std::string& token : vocabulary) total += token.size();
  if (total > std::numeric_limits<std::uint32_t>::max()) fail("the tokens are longer than 4 GiB together");
  ids_of_bytes.reserve_bytes(total);
  std::string buffer;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const std::string& token = vocabulary[i];
    if (token.empty()) continue;
    if (text::first_bad_utf8(token) != std::string::npos)
      fail(strf("the token with the id %zu is not UTF-8: %s", i, in_quotes(token).c_str()));
    buffer.clear();
    const auto id = static_cast<std::int32_t>(i);
    const bool is_new = text::append_spelled_bytes(token, buffer) ? ids_of_bytes.insert(buffer, id)
                                                                  : by_content.emplace(token, id).second;
    if (!is_new) fail(strf("the token %s is in the vocabulary twice", in_quotes(token).c_str()));
  }
  byte_ids.fill(-1);
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(static_cast<unsigned char>(byte));
    byte_ids[byte] = ids_of_bytes.find({&c, 1});
  }
}

std::int32_t Tokenizer::Impl::find_spelled(std::string_view token, std::string& buffer) const {
  buffer.clear();
  if (text::append_spelled_bytes(token, buffer)) return ids_of_bytes.find(buffer);
  const auto found = by_content.find(std::string(token));
  return found == by_content.end() ? -1 : found->second;
}

void Tokenizer::Impl::index_merges(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string buffer;
  std::string both;
  std::uint32_t rank = 0;
  const auto id_of = [&](std::string_view token) {
    const std::int32_t id = find_spelled(token, buffer);
    if (id < 0)
      fail(strf("merge %u needs the token %s, which is not in the vocabulary", rank,
                in_quotes(token).c_str()));
    return id;
  };
  for (const auto& [left, right] : pairs) {
    both.assign(left).append(right);
    if (text::first_bad_utf8(left) != std::string::npos || text::first_bad_utf8(right) != std::string::npos)
      fail(strf("merge %u is not UTF-8: %s", rank, in_quotes(both).c_str()));
    const std::int32_t left_id = id_of(left);
    const std::int32_t right_id = id_of(right);
    merges.insert(left_id, right_id, {rank, id_of(both)});
    ++rank;
  }
}

void Tokenizer::Impl::index_added(const std::vector<AddedToken>& added,
                                  const std::vector<std::string>& vocabulary) {
  special.resize(static_cast<std::size_t>(size));
  known.resize(static_cast<std::size_t>(size));
  std::vector<bool> taken(static_cast<std::size_t>(size));
  std::string buffer;
  for (const AddedToken& token : added) {
    const auto id = static_cast<std::size_t>(token.id);
    if (token.content.empty()) fail(strf("the added token with the id %d is empty", token.id));
    if (text::first_bad_utf8(token.content) != std::string::npos)
      fail(strf("the added token with the id %d is not UTF-8: %s", token.id,
                in_quotes(token.content).c_str()));
    const std::string name = in_quotes(token.content);
    if (id < vocabulary.size() && !vocabulary[id].empty() && vocabulary[id] != token.content)
      fail(strf("the added token %s has the id %d of the token %s", name.c_str(), token.id,
                in_quotes(vocabulary[id]).c_str()));
    if (const std::int32_t other = find_spelled(token.content, buffer); other >= 0 && other != token.id)
      fail(strf("the added token %s has the ids %d and %d", name.c_str(), token.id, other));
    if (taken[id]) fail(strf("two added tokens have the id %d, one is %s", token.id, name.c_str()));
    taken[id] = true;
    const auto [place, is_new] = by_content.emplace(token.content, token.id);
    if (!is_new && place->second != token.id)
      fail(strf("the added token %s has the ids %d and %d", name.c_str(), place->second, token.id));
    special[id] = token.special;
    if (std::string normal; token.normalized) {
      // The Python library would find such a token, but decode another text and forget that it is special.
      if (nfc && text::to_nfc(token.content, normal) != token.content)
        fail(strf("the added token %s is looked for in NFC but is not in NFC", name.c_str()));
      normal_added.insert(token);
    } else {
      raw_added.insert(token);
    }
  }
  for (std::size_t id = 0; id < known.size(); ++id)
    known[id] = taken[id] || (id < vocabulary.size() && !vocabulary[id].empty());
}

void Tokenizer::Impl::index_bytes(const std::vector<std::string>& vocabulary) {
  std::vector<std::string_view> names(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < vocabulary.size(); ++i) names[i] = vocabulary[i];
  for (const auto& [content, id] : by_content) names[static_cast<std::size_t>(id)] = content;
  begin.reserve(names.size() + 1);
  bytes.reserve(ids_of_bytes.bytes() + by_content.size() * 16);
  for (const std::string_view name : names) {
    begin.push_back(static_cast<std::uint32_t>(bytes.size()));
    // Added tokens go through the alphabet too, as in the Python library.
    if (!text::append_spelled_bytes(name, bytes)) bytes.append(name);
    if (bytes.size() > std::numeric_limits<std::uint32_t>::max())
      fail("the tokens are longer than 4 GiB together");
  }
  begin.push_back(static_cast<std::uint32_t>(bytes.size()));
}

void Tokenizer::Impl::encode_raw(std::string_view raw, Work& work) const {
  raw_added.cut(
      raw, [&](std::string_view stretch) { encode_stretch(stretch, work); },
      [&](std::int32_t id) { work.ids->push_back(id); });
}

void Tokenizer::Impl::encode_stretch(std::string_view stretch, Work& work) const {
  if (nfc) {
    std::string buffer;
    const std::string_view normal = text::to_nfc(stretch, buffer);
    if (normal.data() != stretch.data()) {
      work.normalised.push_back(std::move(buffer));
      stretch = work.normalised.back();
    }
  }
  normal_added.cut(
      stretch, [&](std::string_view piece) { encode_pieces(piece, work); },
      [&](std::int32_t id) { work.ids->push_back(id); });
}

void Tokenizer::Impl::encode_pieces(std::string_view normal, Work& work) const {
  text::Splitter pieces(split, normal);
  for (std::string_view piece = pieces.next(); !piece.empty(); piece = pieces.next())
    encode_piece(piece, work);
}

void Tokenizer::Impl::encode_piece(std::string_view piece, Work& work) const {
  std::vector<std::int32_t>& ids = *work.ids;
  if (const std::int32_t id = ids_of_bytes.find(piece); id >= 0) {
    std::atomic<Whole>& state = whole[static_cast<std::size_t>(id)];
    Whole known_state = ignore_merges ? Whole::yes : state.load(std::memory_order_relaxed);
    if (known_state == Whole::unknown) {
      const std::size_t before = ids.size();
      merge(piece, work);
      known_state = ids.size() == before + 1 && ids.back() == id ? Whole::yes : Whole::no;
      state.store(known_state, std::memory_order_relaxed);
      return;
    }
    if (known_state == Whole::yes) {
      ids.push_back(id);
      return;
    }
  }
  if (piece.size() > kLongestCachedPiece) {
    merge(piece, work);
    return;
  }
  text::PieceCache::Entry* const entry = work.cache.find(piece);
  const std::size_t before = ids.size();
  if (entry->piece == nullptr) {
    merge(piece, work);
    work.cache.remember(entry, piece, before, ids.size() - before);
    return;
  }
  ids.resize(before + entry->count);
  std::copy_n(ids.begin() + static_cast<std::ptrdiff_t>(entry->begin), entry->count,
              ids.begin() + static_cast<std::ptrdiff_t>(before));
}

void Tokenizer::Impl::merge(std::string_view piece, Work& work) const {
  if (piece.size() >= kLongestPiece)
    throw_data("the text has a stretch of over 2 GiB without a place to split it", where,
               "break it into lines or documents");
  std::vector<std::int32_t>& symbols = work.bpe.symbols;
  symbols.clear();
  for (const char c : piece) {
    const std::int32_t id = byte_ids[static_cast<unsigned char>(c)];
    if (id >= 0) symbols.push_back(id);
  }
  work.bpe.merge(merges, symbols, *work.ids);
}

Tokenizer::Tokenizer(const TokenizerSpec& spec, const std::string& where)
    : impl_(std::make_unique<const Impl>(spec, where)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

void Tokenizer::encode(std::string_view text, std::vector<std::int32_t>& ids) const {
  if (const std::size_t bad = text::first_bad_utf8(text); bad != std::string_view::npos)
    throw_data(strf("byte %zu is not UTF-8: 0x%02x", bad, static_cast<unsigned char>(text[bad])), "the text",
               "convert it, for example with iconv -f LATIN1 -t UTF-8");
  Impl::Work work;
  work.ids = &ids;
  impl_->encode_raw(text, work);
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<std::int32_t> ids;
  encode(text, ids);
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  return text::lossy_utf8(bytes(ids, skip_special_tokens));
}

std::string Tokenizer::bytes(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  std::string out;
  out.reserve(ids.size() * 4);
  for (const std::int32_t id : ids) {
    const auto i = static_cast<std::size_t>(id);
    if (id < 0 || id >= impl_->size || !impl_->known[i])
      throw_data(
          strf("%d is not a token id of this vocabulary (%lld ids)", id, static_cast<long long>(impl_->size)),
          impl_->where,
          "decode with the tokenizer that made the ids: anemll_tokenize decode --model-id MODEL");
    if (skip_special_tokens && impl_->special[i]) continue;
    out.append(impl_->bytes, impl_->begin[i], impl_->begin[i + 1] - impl_->begin[i]);
  }
  return out;
}

std::optional<std::size_t> find_foreign_id(std::span<const std::int32_t> ids, std::int64_t count) {
  const auto found =
      std::find_if(ids.begin(), ids.end(), [=](std::int32_t id) { return id < 0 || id >= count; });
  if (found == ids.end()) return std::nullopt;
  return static_cast<std::size_t>(found - ids.begin());
}

std::optional<std::int32_t> Tokenizer::find(std::string_view token) const {
  if (const auto found = impl_->by_content.find(std::string(token)); found != impl_->by_content.end())
    return found->second;
  if (text::first_bad_utf8(token) != std::string_view::npos) return std::nullopt;
  std::string buffer;
  const std::int32_t id = impl_->find_spelled(token, buffer);
  return id < 0 ? std::nullopt : std::optional(id);
}

std::int64_t Tokenizer::size() const {
  return impl_->size;
}

}  // namespace anemll
