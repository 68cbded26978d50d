// An offline run of Weights & Biases: the folder wandb/offline-run-TIME-ID that `wandb sync` uploads, written
// without its client. A record is one write, so what a killed program leaves can be read and gone on with.
// One thread.
#pragma once

#include "src/tracking/metric.hpp"
#include "src/tracking/record_file.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

class WireMessage;

struct WandbSettings {
  std::filesystem::path parent;  ///< gets the folder "wandb"
  std::string project;
  std::string name;                 ///< of the run, for people
  std::string entity;               ///< user or team; empty: whoever uploads
  std::string program;              ///< that makes the run
  std::string config;               ///< a JSON object
  std::string axis;                 ///< metric by whose values others are drawn; empty: by rows
  std::vector<std::string> groups;  ///< which others: "train/*"
};

class WandbRun {
 public:
  /// A new run: its folder and first records.
  WandbRun(WandbSettings settings, LogOrigin origin);
  /// The run of that position, cut behind it, with what it had uploaded to be uploaded anew. Nothing where
  /// its file is gone or another by now.
  static std::optional<WandbRun> go_on(WandbSettings settings, const std::string& position, LogOrigin origin);

  /// A row of the history. The summary has the last value of each metric.
  void log(std::span<const Metric> metrics);
  /// Values of the summary alone.
  void summarize(std::span<const Metric> metrics);
  /// A row with a table in the place of a number. `beside`: numbers of the same row, the axis among them.
  void table(const std::string& name, const TextTable& table, std::span<const Metric> beside);
  /// Makes what there is durable, and the summary readable in files/.
  void sync();
  /// The last record. It is no part of position().
  void end(int exit_code);
  /// Log lines with the commands that show the run while it grows, and that upload it.
  void tell_begin() const;
  void tell_end() const;

  /// Run, byte and summary as a text that go_on() takes.
  std::string position() const;
  const std::filesystem::path& folder() const { return folder_; }
  /// The value of a metric in the summary.
  std::optional<double> summary(const std::string& metric) const;

 private:
  struct Place {
    std::filesystem::path folder;
    std::string id;
    double began = 0;  ///< seconds since 1970
    std::int64_t records = 0, rows = 0;
    std::map<std::string, std::string> summary = {};  ///< JSON values
  };
  WandbRun(WandbSettings settings, Place place, RecordFile file, LogOrigin origin);

  void begin();
  /// `kind`: the field of a record that `content` is.
  void add(int kind, const WireMessage& content);
  /// `items`: name and JSON value.
  void log_items(std::vector<std::pair<std::string, std::string>> items);
  void add_summary(const std::vector<std::pair<std::string, std::string>>& items);
  double runtime_s() const;

  WandbSettings settings_;
  LogOrigin origin_;
  std::filesystem::path folder_;
  Place place_;
  RecordFile file_;
};

}  // namespace anemll
