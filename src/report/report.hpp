// One document about runs, out of the files that they left: a page of HTML that needs nothing else, Markdown,
// or JSON. Reads only, but for the files that it is asked to write.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// What the report is written as, by the end of a file's name: .html, .md or .json. A usage error for others.
enum class ReportForm { html, markdown, json };
ReportForm report_form(const std::filesystem::path& file);

/// Whether the file may take the place of what has its name: nothing there, or a report of that form. A data
/// error otherwise.
void require_replaceable(const std::filesystem::path& file, ReportForm form);

class RunReport {
 public:
  /// Data errors where there is nothing to report. `title` may be empty.
  RunReport(std::span<const std::filesystem::path> runs, const std::string& title);

  std::string text(ReportForm form) const;

 private:
  std::string html_, markdown_, json_;
};

}  // namespace anemll
