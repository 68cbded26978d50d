// Records out of .json and .jsonl files.
#include "anemll/core/error.hpp"
#include "src/datasets/internal/json_record.hpp"
#include "src/datasets/internal/json_shape.hpp"
#include "src/datasets/internal/record.hpp"
#include "src/datasets/internal/text_window.hpp"

#include <cstring>
#include <string>

namespace anemll::datasets {
namespace {

namespace fs = std::filesystem;

/// As it stands in the file, cut to something that fits a message.
std::string quote(int c) {
  if (c == TextWindow::kEnd) return "the end of the file";
  if (c > ' ' && c < 0x7f) return std::string("'") + static_cast<char>(c) + "'";
  return "byte " + std::to_string(c);
}

/// The window is behind the record whatever the parser says of it.
void parse(TextWindow& window, JsonRecordParser& parser, std::size_t n, Record& record) {
  const std::string where = window.where();
  try {
    parser.parse(window.data(), n, where, record);
  } catch (const BadRecord& error) {
    const std::string start = quoted_start(window.text().substr(0, n));
    window.take(n);
    throw_bad_record(error.problem() + start, error.where(), error.hint());
  }
  window.take(n);
}

class JsonRecords final : public RecordSource {
 public:
  JsonRecords(const fs::path& path, const FieldList& wanted)
      : shape_(json_shape(path, wanted)), window_(path), parser_(wanted) {
    if (shape_.kind == JsonShape::Kind::objects) return;
    for (const std::string& member : shape_.path) {
      window_.peek();
      window_.take(1);
      if (!enter_member(window_, member)) bad("the array '" + shape_.name() + "' is gone");
    }
    window_.peek();
    window_.take(1);
    open_ = 1;
  }

  bool next(Record& record) override {
    if (ended_) return false;
    int c = window_.peek();
    if (shape_.kind != JsonShape::Kind::objects) {
      c = next_in_arrays(c);
      if (open_ == 0) return end();
    } else if (c == TextWindow::kEnd) {
      ended_ = true;
      return false;
    }
    if (c != '{') bad("a record must be an object that begins with '{', here is " + quote(c));
    const std::size_t n = value_length(window_);
    if (n == 0)
      bad("the file ends in the middle of the record that begins here" +
          quoted_start(window_.text().substr(0, 80)));
    position_ = window_.line();
    first_ = false;
    parse(window_, parser_, n, record);
    return true;
  }
  std::int64_t position() const override { return position_; }

 private:
  /// The byte at which a record must begin, or any where the outermost array is closed.
  int next_in_arrays(int c) {
    for (;;) {
      if (c == ']') {
        window_.take(1);
        first_ = false;
        if (--open_ == 0) return c;
        c = window_.peek();
        continue;
      }
      if (!first_) {
        if (c != ',') bad("a ',' or ']' must follow a record, here is " + quote(c));
        window_.take(1);
        c = window_.peek();
      }
      if (c != '[') return c;
      window_.take(1);
      ++open_;
      first_ = true;
      c = window_.peek();
    }
  }
  bool end() {
    for (std::size_t i = 0; i < shape_.path.size(); ++i)
      if (!leave_object(window_))
        bad("the object around the array '" + shape_.name() + "' does not end well");
    const int c = window_.peek();
    if (c != TextWindow::kEnd) bad("nothing may follow the end of the records, here is " + quote(c));
    ended_ = true;
    return false;
  }
  [[noreturn]] void bad(const std::string& what) const {
    throw_data("not good JSON: " + what, window_.where(),
               "a .json file holds an array of objects, objects one after the other, or an object around one "
               "array; if this one was cut off, fetch it again. This shows the place: " +
                   show_command(window_.path(), window_.line()));
  }

  JsonShape shape_;
  TextWindow window_;
  JsonRecordParser parser_;
  std::int64_t position_ = 0;
  std::uint64_t open_ = 0;  ///< arrays around the next record
  bool first_ = true;       ///< nothing of the innermost one was read
  bool ended_ = false;
};

class JsonLineRecords final : public RecordSource {
 public:
  JsonLineRecords(const fs::path& path, const FieldList& wanted) : window_(path), parser_(wanted) {}

  bool next(Record& record) override {
    const int c = window_.peek();
    if (c == TextWindow::kEnd) return false;
    position_ = window_.line();
    const std::size_t n = line_length();
    if (c != '{') {
      const std::string where = window_.where();
      const std::string start = quoted_start(window_.text().substr(0, n));
      window_.take(n);
      throw_bad_record(
          "not good JSON: a line must be an object that begins with '{', here is " + quote(c) + start, where,
          c == '[' ? "this is an array: give the file the extension .json"
                   : "one object a line, as in {\"text\": \"...\"}");
    }
    parse(window_, parser_, n, record);
    return true;
  }
  std::int64_t position() const override { return position_; }

 private:
  std::size_t line_length() {
    std::size_t seen = 0;
    for (;;) {
      const std::string_view rest = window_.text().substr(seen);
      const void* hit = std::memchr(rest.data(), '\n', rest.size());
      if (hit != nullptr) return seen + static_cast<std::size_t>(static_cast<const char*>(hit) - rest.data());
      seen += rest.size();
      if (!window_.more()) return seen;
    }
  }

  TextWindow window_;
  JsonRecordParser parser_;
  std::int64_t position_ = 0;
};

}  // namespace

std::unique_ptr<RecordSource> open_json(const fs::path& path, const FieldList& wanted) {
  return std::make_unique<JsonRecords>(path, wanted);
}

std::unique_ptr<RecordSource> open_json_lines(const fs::path& path, const FieldList& wanted) {
  return std::make_unique<JsonLineRecords>(path, wanted);
}

}  // namespace anemll::datasets
