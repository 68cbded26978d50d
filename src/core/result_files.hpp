// Whole files in which a program's result ends up: their names are looked at before the work that gives it.
#pragma once

#include "anemll/core/options.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

/// --overwrite of a program whose --output is such a file.
void add_overwrite_option(OptionTable& table, bool* overwrite);

/// A file that a program goes on with where it is there, and makes where it is not.
struct KeptFile {
  std::string option;  ///< that names it
  std::string name;
};

class ResultFiles {
 public:
  /// Makes the folders that the files need. A usage error for a name that is taken (by a folder, a device or
  /// a pipe: with `overwrite` too) or given twice; a data error for a folder in which nothing can be made. Of
  /// `kept` that it is one of `files`, or no file.
  ResultFiles(const std::vector<std::string>& files, bool overwrite,
              const std::optional<KeptFile>& kept = std::nullopt);
  /// Folders that were made and stayed empty go again.
  ~ResultFiles();
  ResultFiles(const ResultFiles&) = delete;
  ResultFiles& operator=(const ResultFiles&) = delete;

 private:
  void make_folder(const std::filesystem::path& folder, const std::string& option);
  std::vector<std::filesystem::path> made_;
};

}  // namespace anemll
