// A .txt or .md file as one record, and where records are.
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/printable.hpp"
#include "src/core/shell_word.hpp"
#include "src/datasets/internal/file_kinds.hpp"
#include "src/datasets/internal/record.hpp"
#include "src/datasets/internal/text_window.hpp"
#include "src/formats/utf8.hpp"

#include <algorithm>
#include <array>
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
        throw_bad_record("the text is not UTF-8" + quoted_start(one),
                         path_.string() + ":" + std::to_string(line),
                         "convert the file: iconv -f LATIN1 -t UTF-8 " + shell_word(path_.string()) +
                             " > TEXT.txt, or pass over it");
      }
      text.remove_prefix(std::min(text.size(), one.size() + 1));
    }
  }

  fs::path path_;
  FieldList wanted_;
  bool taken_ = false;
};

}  // namespace

std::string unpack_command(const fs::path& path) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kUnpack{
      {{"gz", "gzip -dc"}, {"zst", "zstd -dc"}, {"bz2", "bzip2 -dc"}, {"xz", "xz -dc"}}};
  for (const auto& [extension, unpack] : kUnpack)
    if (extension == extension_of(path)) return std::string(unpack);
  return {};
}

std::string show_command(const fs::path& path, std::int64_t line) {
  const std::string what = line == 0 ? "head -c 300" : strf("sed -n %lldp", static_cast<long long>(line));
  const std::string file = shell_word(path.string());
  if (const std::string unpack = unpack_command(path); !unpack.empty())
    return strf("%s %s | %s", unpack.c_str(), file.c_str(), what.c_str());
  return strf("%s %s", what.c_str(), file.c_str());
}

std::string quoted_start(std::string_view record) {
  constexpr std::size_t kShown = 60;
  record = record.substr(0, record.find_last_not_of(" \t\r\n") + 1);
  if (record.empty()) return {};
  std::string out = ", in ";
  out.append(printable(record, kShown));
  return record.size() > kShown ? out.append("...") : out;
}

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
