// A .txt or .md file as one record, and where records are.
#include "anemll/core/error.hpp"
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

class TextRecord final : public RecordSource {
 public:
  TextRecord(fs::path path, FieldList wanted) : path_(std::move(path)), wanted_(std::move(wanted)) {}

  bool next(Record& record) override {
    if (std::exchange(taken_, true)) return false;
    TextWindow window(path_);
    while (window.more()) continue;
    check(window.text());
    record.clear(wanted_.all().size());
    record.names = {wanted_.main.front()};
    record.fields.front() = Value::of_text(std::string(window.text()));
    return true;
  }
  std::int64_t position() const override { return 0; }

 private:
  /// By lines: no character crosses a line's end.
  void check(std::string_view text) const {
    for (std::int64_t line = 1; !text.empty(); ++line) {
      const std::string_view one = text.substr(0, text.find('\n'));
      if (!formats::is_utf8(one)) {
        throw_bad_record("the text is not UTF-8", path_.string() + ":" + std::to_string(line),
                         "convert the file, for example with iconv -t UTF-8");
      }
      text.remove_prefix(std::min(text.size(), one.size() + 1));
    }
  }

  fs::path path_;
  FieldList wanted_;
  bool taken_ = false;
};

}  // namespace

std::string record_where(const fs::path& path, FileKind kind, std::int64_t position) {
  if (kind == FileKind::text) return path.string();
  if (kind == FileKind::parquet || kind == FileKind::arrow)
    return path.string() + ", row " + std::to_string(position);
  return path.string() + ":" + std::to_string(position);
}

std::unique_ptr<RecordSource> open_text(const fs::path& path, const FieldList& wanted) {
  return std::make_unique<TextRecord>(path, wanted);
}

}  // namespace anemll::datasets
