// The two records of a run: training_log.csv with the reference's columns, metrics.jsonl with everything. One
// line is one write, so a killed process leaves at most one half line, which the next one to open the file
// removes. Rank 0 only; each object is used by one thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace anemll {

/// How a log begins: `fresh` replaces what was there, `append` continues it (and starts it if it is missing).
enum class LogStart { fresh, append };

/// A text file to which whole lines are added. A failed write throws a data error and leaves no part of its
/// line.
class LineFile {
 public:
  LineFile(std::filesystem::path path, LogStart start);
  ~LineFile();
  LineFile(LineFile&& other) noexcept;
  LineFile& operator=(LineFile&&) = delete;

  void write(std::string_view line_with_end);
  /// Makes the lines so far durable; call it before a checkpoint that counts on them.
  void sync();
  /// Replaces the file by `content` in one step and continues behind it.
  void replace(std::string_view content);
  const std::filesystem::path& path() const { return path_; }
  /// The file as it is now.
  std::string content() const;

 private:
  void open();
  std::filesystem::path path_;
  int fd_ = -1;
};

struct CsvRow {
  std::int64_t step = 0;
  std::optional<double> train_loss;  ///< the absent loss is an empty cell
  std::optional<double> eval_loss;
  double lr = 0;
  double elapsed_s = 0;
};

/// Lines end in CR LF as Python's csv module ends them.
inline constexpr std::string_view kCsvHeader = "step,train_loss,eval_loss,lr,elapsed_sec\r\n";
/// Whether one of the lines is the header; a person may have put lines before it or columns behind it.
bool has_csv_header(std::string_view text);

/// training_log.csv.
class CsvLog {
 public:
  /// Appending to a file without the header is a data error.
  CsvLog(std::filesystem::path path, LogStart start);
  void write(const CsvRow& row);
  void sync() { file_.sync(); }

 private:
  LineFile file_;
};

/// One JSON object, built key by key in order.
class JsonLine {
 public:
  /// Nine significant digits, enough to give a float back; null for NaN and infinities, which JSON has not.
  JsonLine& add(std::string_view key, double value);
  JsonLine& add(std::string_view key, std::string_view value);
  JsonLine& add(std::string_view key, const char* value) { return add(key, std::string_view(value)); }
  JsonLine& add(std::string_view key, bool value) { return add_json(key, value ? "true" : "false"); }
  template <std::integral T>
  requires(!std::same_as<T, bool>) JsonLine& add(std::string_view key, T value) {
    return add_json(key, std::to_string(value));
  }
  /// `json` is a value already in JSON.
  JsonLine& add_json(std::string_view key, std::string_view json);
  /// Without a line end.
  std::string text() const { return body_.empty() ? "{}" : body_ + '}'; }

 private:
  std::string body_;
};

/// metrics.jsonl: one object a line.
class JsonlLog {
 public:
  JsonlLog(std::filesystem::path path, LogStart start);
  void write(const JsonLine& line);
  void sync() { file_.sync(); }
  /// The file as it is now.
  std::string content() const { return file_.content(); }

 private:
  LineFile file_;
};

}  // namespace anemll
