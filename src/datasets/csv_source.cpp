// Records out of .csv and .tsv files, by RFC 4180: the first row names the columns, a cell in quotes may hold
// separators, line ends and doubled quotes. Every value is text; nothing is guessed from it. Excel's line of
// the separator is read, and the dialect that escapes quotes by backslashes is told from a bad row.
#include "anemll/core/error.hpp"
#include "src/datasets/internal/csv_dialect.hpp"
#include "src/datasets/internal/file_kinds.hpp"
#include "src/datasets/internal/record.hpp"
#include "src/datasets/internal/text_window.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

namespace anemll::datasets {
namespace {

namespace fs = std::filesystem;

/// Takes a row from the window when it was looked at, whatever is thrown for it.
class Taking {
 public:
  Taking(TextWindow& window, std::size_t length) : window_(window), length_(length) {}
  ~Taking() { window_.take(length_); }
  Taking(const Taking&) = delete;
  Taking& operator=(const Taking&) = delete;

 private:
  TextWindow& window_;
  std::size_t length_;
};

/// A part of the window.
struct Cell {
  std::string_view text;  ///< without the quotes around it
  bool quoted = false;
  bool doubled = false;  ///< quotes in it are doubled

  /// As MySQL, Hive and ClickHouse write that there is no value.
  bool is_null() const { return text.size() == 2 && !quoted && text == "\\N"; }

  std::string value() const {
    if (!doubled) return std::string(text);
    std::string out;
    out.reserve(text.size());
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t n = std::min(rest.find('"'), rest.size() - 1) + 1;
      out.append(rest.substr(0, n));
      rest.remove_prefix(std::min(n + (rest[n - 1] == '"' ? 1U : 0U), rest.size()));
    }
    return out;
  }
};

class CsvRecords final : public RecordSource {
 public:
  CsvRecords(const fs::path& path, const FieldList& wanted) : window_(path) {
    const fs::path inner = is_packed(path) ? path.stem() : path;
    separator_ = separator_of_header(extension_of(inner) == "tsv" ? '\t' : ',');
    std::size_t length = 0;
    const std::size_t size = row(length);
    if (size == 0) return;
    const Taking taking(window_, length);
    cut(window_.text().substr(0, size));
    for (const Cell& cell : cells_) columns_.push_back(cell.value());
    const Names names = wanted.all();
    wanted_ = names.size();
    for (const std::string& name : names) {
      if (std::count(columns_.begin(), columns_.end(), name) > 1) {
        throw_data(
            "there are two columns '" + name + "'", window_.path().string(),
            "rename one of them in the first row, which this shows: " + show_command(window_.path(), 1));
      }
    }
    for (const std::string& column : columns_)
      places_.push_back(
          static_cast<std::size_t>(std::find(names.begin(), names.end(), column) - names.begin()));
  }

  bool next(Record& record) override {
    std::size_t length = 0;
    const std::size_t size = row(length);
    if (size == 0) return false;
    const Taking taking(window_, length);
    cut(window_.text().substr(0, size));
    if (cells_.size() != columns_.size()) {
      require_doubled_quotes();
      bad("a row of " + std::to_string(cells_.size()) + " cells, the first row names " +
          std::to_string(columns_.size()));
    }
    record.clear(wanted_);
    record.names = columns_;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (places_[i] < wanted_) {
        record.fields[places_[i]] =
            cells_[i].is_null() ? Value::of_type(Value::Kind::null, {}) : Value::of_text(cells_[i].value());
      } else if (!cells_[i].text.empty() && !cells_[i].is_null()) {
        record.unread.push_back(columns_[i]);
      }
    }
    return true;
  }
  std::int64_t position() const override { return position_; }

 private:
  static constexpr const char* kHint = "correct the row, or take it out of the file";
  [[noreturn]] void bad(const std::string& what, const char* hint = kHint) const {
    std::string problem = "not good CSV: ";
    problem.append(what).append(quoted_start(window_.text().substr(0, 80)));
    throw_bad_record(problem, window_.path().string() + ":" + std::to_string(position_), hint);
  }

  /// The next line that is not empty. What is before it is taken.
  std::string_view first_line() {
    while (window_.text().starts_with('\n') || window_.text().starts_with('\r')) window_.take(1);
    std::size_t end = 0;
    while ((end = window_.text().find_first_of("\r\n")) == std::string_view::npos && window_.more()) continue;
    return window_.text().substr(0, end);
  }

  /// The line of the separator says it. Else the name is a hint only: where the first row has none of its
  /// separators, but of another kind, those separate.
  char separator_of_header(char named) {
    std::string_view line = first_line();
    if (const std::optional<char> said = separator_line(line)) {
      window_.take(line.size());
      first_line();  // takes the line's end
      return *said;
    }
    std::string outside;
    bool quoted = false;
    for (const char c : line) {
      if (c == '"') quoted = !quoted;
      if (!quoted) outside += c;
    }
    for (const char c : {named, '\t', ',', ';', '|'})
      if (outside.find(c) != std::string::npos) return c;
    return named;
  }

  /// The bytes of the next row that is not empty, without its line's end; 0 at the end. `length`: with it.
  std::size_t row(std::size_t& length) {
    for (;;) {
      position_ = window_.line();
      std::size_t size = 0;
      length = row_length(size);
      if (length == 0 || size != 0) return size;
      window_.take(length);
    }
  }

  /// The bytes up to and with the line's end that is outside of quotes; `size`: without it.
  std::size_t row_length(std::size_t& size) {
    bool quoted = false;
    bool cell_start = true;
    std::size_t i = 0;
    for (;;) {
      if (i == window_.text().size() && !window_.more()) {
        if (quoted) {
          require_doubled_quotes();
          throw_data(
              "not good CSV: a quote is never closed in the row that begins here",
              window_.path().string() + ":" + std::to_string(position_),
              "close the quote in this row, which this shows: " + show_command(window_.path(), position_));
        }
        size = i;
        return i;
      }
      const std::string_view all = window_.text();
      while (i < all.size()) {
        if (quoted) {
          i = std::min(all.find('"', i), all.size());
          if (i == all.size()) break;
          quoted = false;  // of a doubled quote the second opens again
          cell_start = true;
          ++i;
          continue;
        }
        const char c = all[i];
        if (c == '"' && cell_start) {
          quoted = true;
        } else if (c == '\n' || c == '\r') {
          size = i;
          return i + line_end(i);
        } else {
          cell_start = c == separator_;
        }
        ++i;
      }
    }
  }
  /// The length of the line's end at `at`.
  std::size_t line_end(std::size_t at) {
    if (window_.text()[at] == '\n') return 1;
    if (at + 1 == window_.text().size()) window_.more();
    const std::string_view all = window_.text();
    return at + 1 < all.size() && all[at + 1] == '\n' ? 2 : 1;
  }

  void cut(std::string_view text) {
    cells_.clear();
    if (!simdjson::validate_utf8(text.data(), text.size())) bad("the text is not UTF-8", kEncodingHint);
    for (;;) {
      Cell cell;
      if (text.starts_with('"')) {
        std::size_t i = 1;
        cell.quoted = true;
        while ((i = text.find('"', i)) + 1 < text.size() && text[i + 1] == '"') {
          cell.doubled = true;
          i += 2;
        }
        cell.text = text.substr(1, i - 1);
        text.remove_prefix(i + 1);
        if (!text.empty() && text.front() != separator_) {
          require_doubled_quotes(cell.text.ends_with('\\'));
          bad("text follows a closing quote");
        }
      } else {
        cell.text = text.substr(0, text.find(separator_));
        text.remove_prefix(cell.text.size());
      }
      cells_.push_back(cell);
      if (text.empty()) return;
      text.remove_prefix(1);
    }
  }

  /// Of a row that is bad by RFC 4180. Not an error of one record: the other rows of the file, which look
  /// good, have backslashes that are no text.
  void require_doubled_quotes(bool told = false) const {
    if (!told && !is_backslash_row(window_.text(), separator_, columns_.size())) return;
    throw_data(
        "not good CSV: quotes are escaped with a backslash, as MySQL and Hive write them; RFC 4180 "
        "doubles them" +
            quoted_start(window_.text().substr(0, 80)),
        window_.path().string() + ":" + std::to_string(position_),
        "write it anew with doubled quotes: " + doubling_command(window_.path(), separator_));
  }

  TextWindow window_;
  std::size_t wanted_ = 0;
  char separator_ = ',';
  Names columns_;
  std::vector<std::size_t> places_;  ///< of each column among the wanted fields; beyond them: not wanted
  std::vector<Cell> cells_;          ///< of one row, in the window
  std::int64_t position_ = 0;
};

}  // namespace

std::unique_ptr<RecordSource> open_csv(const fs::path& path, const FieldList& wanted) {
  return std::make_unique<CsvRecords>(path, wanted);
}

}  // namespace anemll::datasets
