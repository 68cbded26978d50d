// A plain document that is a whole corpus in one file, taken as many: without that one file would be held out
// as a whole or not at all, and would give all of a mixture before its turn is over.
#pragma once

#include "anemll/datasets/dataset.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace anemll {

inline constexpr std::size_t kCorpusBytes = std::size_t{64} << 10;  ///< a longer plain document is a corpus

/// The document, or a corpus in pieces of about an eighth of `corpus_bytes`, cut at line ends. Conversations
/// are never cut.
std::vector<Document> pieces_of(Document document, std::size_t corpus_bytes = kCorpusBytes);

/// The documents of `set` with its corpora in pieces.
std::unique_ptr<Dataset> in_pieces(std::unique_ptr<Dataset> set, std::size_t corpus_bytes = kCorpusBytes);

}  // namespace anemll
