#include "src/datasets/pieces.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

namespace anemll {
namespace {

class Pieces final : public Dataset {
 public:
  Pieces(std::unique_ptr<Dataset> set, std::size_t corpus_bytes)
      : set_(std::move(set)), corpus_bytes_(corpus_bytes) {}

  std::optional<Document> next() override {
    while (given_ == pieces_.size()) {
      std::optional<Document> document = set_->next();
      if (!document) return std::nullopt;
      pieces_ = pieces_of(std::move(*document), corpus_bytes_);
      given_ = 0;
    }
    return std::move(pieces_[given_++]);
  }
  std::int64_t records() const override { return set_->records(); }
  std::int64_t skipped() const override { return set_->skipped(); }
  const std::vector<std::filesystem::path>& files() const override { return set_->files(); }
  const DatasetReport& report() const override { return set_->report(); }

 private:
  std::unique_ptr<Dataset> set_;
  std::size_t corpus_bytes_;
  std::vector<Document> pieces_;
  std::size_t given_ = 0;
};

}  // namespace

std::vector<Document> pieces_of(Document document, std::size_t corpus_bytes) {
  std::vector<Document> pieces;
  if (!document.messages.empty() || document.text.size() <= corpus_bytes) {
    pieces.push_back(std::move(document));
    return pieces;
  }
  const std::size_t least = corpus_bytes / 8;
  for (std::size_t begin = 0; begin < document.text.size();) {
    const std::size_t line = document.text.find('\n', std::min(begin + least, document.text.size()));
    const std::size_t end = line == std::string::npos ? document.text.size() : line + 1;
    Document piece;
    piece.text = document.text.substr(begin, end - begin);
    piece.source = document.source;
    piece.where = document.where;
    pieces.push_back(std::move(piece));
    begin = end;
  }
  return pieces;
}

std::unique_ptr<Dataset> in_pieces(std::unique_ptr<Dataset> set, std::size_t corpus_bytes) {
  return std::make_unique<Pieces>(std::move(set), corpus_bytes);
}

}  // namespace anemll
