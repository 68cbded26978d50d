// Parquet and Arrow files in a build without Arrow: an error that says how to get it.
#include "src/datasets/internal/record.hpp"

namespace anemll::datasets {
namespace {

[[noreturn]] void refuse(const char* what, const std::filesystem::path& path) {
  throw_data(std::string("this build reads no ") + what + " files", path.string(),
             "run launch/setup.sh, which fetches Arrow, and configure again with -DANEMLL_WITH_PARQUET=ON; "
             "or convert the file to .jsonl");
}

}  // namespace

std::unique_ptr<RecordSource> open_parquet(const std::filesystem::path& path, const FieldList&) {
  refuse("Parquet", path);
}

std::unique_ptr<RecordSource> open_arrow(const std::filesystem::path& path, const FieldList&) {
  refuse("Arrow", path);
}

}  // namespace anemll::datasets
