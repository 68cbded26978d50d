// TensorBoard's event files: scalars and texts by step. Records are framed as TFRecords; each is one write,
// so a killed program leaves at most one half, which readers pass over. One thread.
#pragma once

#include "src/tracking/metric.hpp"
#include "src/tracking/record_file.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace anemll {

class EventFile {
 public:
  /// A new file in `folder`, which is made. `first_step`, of a run that goes on: what readers have seen of
  /// this step and later ones is void.
  EventFile(const std::filesystem::path& folder, const LogOrigin& origin,
            std::optional<std::int64_t> first_step);

  void scalars(std::int64_t step, std::span<const Metric> metrics);
  /// Markdown, in the tab "Text".
  void text(std::int64_t step, const std::string& name, std::string_view markdown);
  void sync() { file_.sync(); }

  /// File and byte as a text that cut_events() takes.
  std::string position() const;

 private:
  void add(std::int64_t step, int field, std::string_view content);

  LogOrigin origin_;
  RecordFile file_;
};

/// Cuts what was written behind the position: the end of its file, and the files of later starts. Where the
/// file is another by now, nothing is touched.
void cut_events(const std::filesystem::path& folder, const std::string& position);

/// Rows as a table of Markdown.
std::string markdown_of(const TextTable& table);

}  // namespace anemll
