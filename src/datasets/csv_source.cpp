// Records out of .csv and .tsv files, by RFC 4180: the first row names the columns, a cell in quotes may hold
// separators, line ends and doubled quotes. Every value is text; nothing is guessed from it.
#include "anemll/core/error.hpp"
#include "src/datasets/internal/file_kinds.hpp"
#include "src/datasets/internal/record.hpp"
#include "src/datasets/internal/text_window.hpp"
#include "src/formats/utf8.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace anemll::datasets {
namespace {

namespace fs = std::filesystem;

class CsvRecords final : public RecordSource {
 public:
  CsvRecords(const fs::path& path, FieldList wanted) : window_(path), wanted_(std::move(wanted)) {
    const fs::path inner = is_packed(path) ? path.stem() : path;
    separator_ = extension_of(inner) == "tsv" ? '\t' : ',';
    if (!row()) return;
    columns_ = cells_;
    for (const std::string& name : wanted_.all()) {
      if (std::count(columns_.begin(), columns_.end(), name) > 1) {
        throw_data("there are two columns '" + name + "'", window_.path().string(),
                   "rename one of them: which holds the text cannot be told");
      }
    }
  }

  bool next(Record& record) override {
    if (!row()) return false;
    if (cells_.size() != columns_.size()) {
      bad("a row of " + std::to_string(cells_.size()) + " cells, the first row names " +
          std::to_string(columns_.size()));
    }
    const Names wanted = wanted_.all();
    record.clear(wanted.size());
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      record.names.push_back(columns_[i]);
      const auto at = std::find(wanted.begin(), wanted.end(), columns_[i]);
      if (at == wanted.end()) {
        if (!cells_[i].empty()) record.unread.push_back(columns_[i]);
        continue;
      }
      record.fields[static_cast<std::size_t>(at - wanted.begin())] = Value::of_text(std::move(cells_[i]));
    }
    return true;
  }
  std::int64_t position() const override { return position_; }

 private:
  static constexpr const char* kHint = "correct the row, or take it out of the file";
  [[noreturn]] void bad(const std::string& what) const {
    throw_bad_record("not good CSV: " + what, window_.path().string() + ":" + std::to_string(position_),
                     kHint);
  }

  /// The next row that is not empty, into cells_. The window is behind it whatever is thrown for its cells.
  bool row() {
    for (;;) {
      position_ = window_.line();
      std::size_t size = 0;
      const std::size_t length = row_length(size);
      if (length == 0) return false;
      const std::string text(window_.text().substr(0, size));
      window_.take(length);
      if (text.empty()) continue;
      cut(text);
      return true;
    }
  }

  /// The bytes up to and with the line's end that is outside of quotes; `size`: without it.
  std::size_t row_length(std::size_t& size) {
    bool quoted = false;
    bool cell_start = true;
    for (std::size_t i = 0;; ++i) {
      if (i == window_.text().size() && !window_.more()) {
        if (quoted) {
          throw_data("not good CSV: a quote is never closed in the row that begins here",
                     window_.path().string() + ":" + std::to_string(position_),
                     "close the quote in this row");
        }
        size = i;
        return i;
      }
      const char c = window_.text()[i];
      if (quoted) {
        quoted = c != '"';  // of a doubled quote the second opens again
        cell_start = !quoted;
      } else if (c == '"' && cell_start) {
        quoted = true;
      } else if (c == '\n' || c == '\r') {
        size = i;
        if (c == '\r' && i + 1 == window_.text().size()) window_.more();
        const std::string_view all = window_.text();
        return c == '\r' && i + 1 < all.size() && all[i + 1] == '\n' ? i + 2 : i + 1;
      } else {
        cell_start = c == separator_;
      }
    }
  }

  void cut(std::string_view text) {
    cells_.clear();
    if (!formats::is_utf8(text)) bad("the text is not UTF-8");
    for (;;) {
      std::string cell;
      if (text.starts_with('"')) {
        std::size_t i = 1;
        for (; text[i] != '"' || (i + 1 < text.size() && text[i + 1] == '"'); ++i) {
          cell += text[i];
          if (text[i] == '"') ++i;
        }
        text.remove_prefix(i + 1);
        if (!text.empty() && text.front() != separator_) bad("text follows a closing quote");
      } else {
        cell = text.substr(0, text.find(separator_));
        text.remove_prefix(cell.size());
      }
      cells_.push_back(std::move(cell));
      if (text.empty()) return;
      text.remove_prefix(1);
    }
  }

  TextWindow window_;
  FieldList wanted_;
  char separator_ = ',';
  Names columns_;
  Names cells_;
  std::int64_t position_ = 0;
};

}  // namespace

std::unique_ptr<RecordSource> open_csv(const fs::path& path, const FieldList& wanted) {
  return std::make_unique<CsvRecords>(path, wanted);
}

}  // namespace anemll::datasets
