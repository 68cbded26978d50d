// The stream of documents over all files: kept and shuffled, or read as they are needed.
#include "anemll/datasets/dataset.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/rng.hpp"
#include "src/core/signals.hpp"
#include "src/datasets/internal/column_advice.hpp"
#include "src/datasets/internal/dataset_files.hpp"
#include "src/datasets/internal/dataset_format.hpp"
#include "src/datasets/internal/field_map.hpp"
#include "src/datasets/internal/file_kinds.hpp"

#include <deque>
#include <string>
#include <system_error>
#include <utility>

namespace anemll {
namespace {

namespace fs = std::filesystem;
using datasets::Record;

constexpr std::uint64_t kShuffleStream = 0x64617461;  // apart from other users of the seed; frozen by a test

/// One record after its format looked at it.
struct Entry {
  std::size_t file = 0;
  std::int64_t position = 0;
  std::optional<Document> document;  ///< nothing when the format skips the record
};

/// All records of all files in order.
class EntryReader {
 public:
  EntryReader(datasets::DatasetFiles chosen, const DatasetOptions& options)
      : files_(std::move(chosen.files)),
        options_(options),
        format_(datasets::make_format(options)),
        map_(format_->fields(), options),
        unread_why_("format " + choice_name(options.format) + " does not read it") {
    report_.why = std::move(chosen.why);
    report_.inventory.add(chosen.inventory);
    if (format_->plain()) return;
    for (const fs::path& file : files_) {
      if (datasets::known_kind(file) == datasets::FileKind::text &&
          datasets::kind_by_content(file, false) == datasets::FileKind::text) {
        throw_data("a text file has no records of format " + choice_name(options.format), file.string(),
                   "--dataset_format plain reads it as one document");
      }
    }
  }

  /// Entries wait until their file is known to have the format's fields.
  std::optional<Entry> next() {
    while (waiting_.empty() || !fits_) {
      std::optional<Entry> entry = read_one();
      if (!entry) break;
      waiting_.push_back(std::move(*entry));
    }
    if (waiting_.empty()) return std::nullopt;
    Entry out = std::move(waiting_.front());
    waiting_.pop_front();
    return out;
  }

  std::string where(const Entry& entry) const {
    const fs::path& file = files_[entry.file];
    return datasets::record_where(file, kinds_[entry.file], entry.position);
  }
  const std::vector<fs::path>& files() const { return files_; }
  const DatasetReport& report() const { return report_; }

  [[noreturn]] void fail_empty() const {
    const std::string more = files_.size() > 1 ? " and " + std::to_string(files_.size() - 1) + " more" : "";
    std::error_code none;
    const auto bytes = static_cast<unsigned long long>(fs::file_size(files_.front(), none));
    throw_data(strf("there is no record in it, of %llu bytes", bytes), files_.front().string() + more,
               "check that the files were written whole: " + datasets::show_command(files_.front(), 0));
  }
  [[noreturn]] void fail_all_skipped(std::int64_t records) const {
    if (!kinds_.empty() && kinds_.front() == datasets::FileKind::text) {
      throw_data(
          "is empty: there is no text in it" + (records > 1 ? ", nor in the other files" : std::string()),
          skipped_at_, "check that it was written whole: " + datasets::show_command(files_.front(), 0));
    }
    if (skipped_at_.empty()) {
      throw_data("every one of the " + std::to_string(records) + " records is bad",
                 report_.bad_examples.front(), "choose the --dataset_format that fits, or mend the file");
    }
    std::string what = "format " + choice_name(options_.format) + " skips every one of the " +
                       std::to_string(records) + " records; of this one " + why_skipped_;
    for (const std::string& line : report_.inventory.left_out_lines()) what += "; " + line;
    throw_data(what, skipped_at_,
               !turns_.empty() ? turns_
               : format_->plain()
                   ? "name a field that holds text with --dataset_text_field" +
                         (records == 1 ? std::string("; ").append(datasets::kPandasHint) : std::string())
                   : "choose the --dataset_format that fits");
  }

 private:
  /// Records that may lack the format's fields until one has them: enough for the sparsest columns, and few
  /// enough to tell a wrong format soon.
  static constexpr std::int64_t kMostUnfit = 100000;
  static constexpr std::size_t kMostExamples = 3;

  struct First {
    datasets::Names names;
    std::string where;
  };

  std::optional<Entry> read_one() {
    while (file_ < files_.size()) {
      if (!source_) {
        kinds_.push_back(datasets::kind_by_content(files_[file_], format_->plain()));
        source_ = datasets::open_records(files_[file_], kinds_.back(), map_.columns());
      }
      Entry out{file_, 0, {}};
      try {
        if (source_->next(record_)) {
          out.position = source_->position();
          read(out);
          return out;
        }
      } catch (const datasets::BadRecord& error) {
        pass_over(error);
        out.position = source_->position();
        return out;
      }
      if (!fits_) require_fit();
      source_.reset();
      ++file_;
      fits_ = true;  // of a file without a record
      first_.reset();
    }
    return std::nullopt;
  }
  void read(Entry& out) {
    const std::string place = where(out);
    if (!first_) {
      first_ = First{record_.names, place};
      fits_ = false;
      unfit_ = 0;
    }
    // A field that some records lack is null there: the first record is not the measure of the others.
    fits_ = fits_ || format_->fits(map_.empty() ? record_.names : map_.fields_of(record_.names));
    if (!fits_ && ++unfit_ == kMostUnfit) require_fit();
    Inventory counts;
    out.document = format_->document(record_, place, counts);
    report_.inventory.add(counts);
    for (const std::string& name : record_.unread)
      report_.inventory.add(Fate::left_out, "column", name, unread_why_);
    if (out.document) {
      out.document->source = out.file;
    } else if (skipped_at_.empty()) {
      skipped_at_ = place;
      why_skipped_ = format_->why_skipped(record_);
      if (format_->plain() && datasets::holds_turns(record_.fields.front()))
        turns_ = datasets::turns_advice(map_.columns().main.front());
    }
  }
  void require_fit() const {
    datasets::fail_fit(*format_, options_, map_.columns().main, first_->names, first_->where, by_columns());
  }
  /// What the columns of the first good record hold, which is read again, with all of them.
  std::string by_columns() const {
    try {
      const auto source = datasets::open_records(files_[file_], kinds_.back(), {first_->names});
      Record all;
      for (bool more = true; more;) {
        try {
          more = source->next(all);
          if (more) return datasets::advice_of_columns(all);
        } catch (const datasets::BadRecord&) {
          continue;
        }
      }
    } catch (const Error&) {  // is told when the file is read with a format that fits
    }
    return {};
  }

  void pass_over(const datasets::BadRecord& error) {
    ++report_.bad_records;
    if (report_.bad_records > options_.max_bad_records) {
      const std::string before = report_.bad_records == 1
                                     ? std::string()
                                     : " (" + std::to_string(report_.bad_records) +
                                           " bad records, --max-bad-records " +
                                           std::to_string(options_.max_bad_records) + " are passed over)";
      throw_data(error.problem() + before, error.where(),
                 error.hint() +
                     "; or pass over such records with --max-bad-records N of anemll_precompute and "
                     "anemll_eval");
    }
    report_.inventory.add(Fate::left_out, "bad record", files_[file_].string(),
                          "--max-bad-records lets them be passed over");
    if (report_.bad_examples.size() == kMostExamples) return;
    report_.bad_examples.push_back(error.where() + ": " + error.problem());
    log_warning(report_.bad_examples.back() + " (passed over)");
  }

  std::vector<fs::path> files_;
  std::vector<datasets::FileKind> kinds_;  ///< of those that were opened
  DatasetOptions options_;
  DatasetReport report_;
  std::unique_ptr<datasets::DatasetFormat> format_;
  datasets::FieldMap map_;
  std::string unread_why_;
  std::unique_ptr<datasets::RecordSource> source_;
  std::size_t file_ = 0;
  Record record_;
  std::optional<First> first_;  ///< the first good record of the file
  bool fits_ = true;            ///< a record of the file has the format's fields
  std::int64_t unfit_ = 0;
  std::deque<Entry> waiting_;
  std::string skipped_at_;  ///< the first record that the format skips
  std::string why_skipped_;
  std::string turns_;  ///< plain: advice for a text field that holds turns
};

class EntryDataset : public Dataset {
 public:
  explicit EntryDataset(EntryReader reader) : reader_(std::move(reader)) {}

  std::optional<Document> next() override {
    while (std::optional<Entry> entry = take()) {
      ++records_;
      if (!entry->document) {
        ++skipped_;
        continue;
      }
      entry->document->where = reader_.where(*entry);
      return std::move(entry->document);
    }
    if (records_ != 0 && records_ == skipped_) reader_.fail_all_skipped(records_);
    return std::nullopt;
  }
  std::int64_t records() const override { return records_; }
  std::int64_t skipped() const override { return skipped_; }
  const std::vector<fs::path>& files() const override { return reader_.files(); }
  const DatasetReport& report() const override { return reader_.report(); }

 protected:
  virtual std::optional<Entry> take() = 0;
  EntryReader reader_;

 private:
  std::int64_t records_ = 0;
  std::int64_t skipped_ = 0;
};

/// Everything is read before the first document, so bad data at the end cost no hours of the teacher's time.
class KeptDataset final : public EntryDataset {
 public:
  KeptDataset(EntryReader reader, const DatasetOptions& options) : EntryDataset(std::move(reader)) {
    bool any = false;
    while (std::optional<Entry> entry = reader_.next()) {
      leave_on_signal("reading the data set", "run the same command again");
      any = any || entry->document;
      entries_.push_back(std::move(*entry));
    }
    if (entries_.empty()) reader_.fail_empty();
    if (!any) reader_.fail_all_skipped(static_cast<std::int64_t>(entries_.size()));
    if (!options.shuffle) return;
    // Fisher and Yates over records, skipped ones too: what a format skips does not move the others.
    const CounterRng rng(options.seed, kShuffleStream);
    for (std::size_t i = entries_.size(); i > 1; --i)
      std::swap(entries_[i - 1], entries_[static_cast<std::size_t>(rng.below(i - 1, i))]);
  }

 private:
  std::optional<Entry> take() override {
    if (at_ == entries_.size()) return std::nullopt;
    return std::move(entries_[at_++]);  // text that was handed out is not kept
  }
  std::vector<Entry> entries_;
  std::size_t at_ = 0;
};

/// Holds `shuffle_buffer` records and hands out one of them, which the next record replaces.
class StreamedDataset final : public EntryDataset {
 public:
  StreamedDataset(EntryReader reader, const DatasetOptions& options)
      : EntryDataset(std::move(reader)), rng_(options.seed, kShuffleStream) {
    if (options.shuffle && options.shuffle_buffer > 1)
      room_ = static_cast<std::size_t>(options.shuffle_buffer);
    fill();
    if (buffer_.empty()) reader_.fail_empty();
  }

 private:
  void fill() {
    while (buffer_.size() < room_) {
      std::optional<Entry> entry = reader_.next();
      if (!entry) return;
      buffer_.push_back(std::move(*entry));
    }
  }
  std::optional<Entry> take() override {
    fill();
    if (buffer_.empty()) return std::nullopt;
    const auto pick = static_cast<std::size_t>(rng_.below(taken_++, buffer_.size()));
    std::swap(buffer_[pick], buffer_.back());
    Entry out = std::move(buffer_.back());
    buffer_.pop_back();
    return out;
  }

  CounterRng rng_;
  std::size_t room_ = 1;  ///< one: file order
  std::vector<Entry> buffer_;
  std::uint64_t taken_ = 0;
};

}  // namespace

std::unique_ptr<Dataset> Dataset::open(const fs::path& path, const DatasetOptions& options) {
  if (options.shuffle_buffer < 0)
    throw_usage("must not be negative, but is " + std::to_string(options.shuffle_buffer), "--shuffle_buffer",
                "0 keeps the order of the file");
  // A wrong name is told before the disk is searched.
  (void)datasets::FieldMap(datasets::make_format(options)->fields(), options);
  EntryReader reader(datasets::dataset_files(path, options), options);
  if (options.streaming) return std::make_unique<StreamedDataset>(std::move(reader), options);
  return std::make_unique<KeptDataset>(std::move(reader), options);
}

}  // namespace anemll
