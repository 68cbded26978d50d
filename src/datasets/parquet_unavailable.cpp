// Parquet files in a build without Arrow: an error that says how to get it.
#include "anemll/core/error.hpp"
#include "src/datasets/record.hpp"

namespace anemll::datasets {

std::unique_ptr<RecordSource> open_parquet(const std::filesystem::path& path, const FieldList&) {
  throw_data("this build reads no Parquet files", path.string(),
             "run launch/setup.sh, which fetches Arrow, and configure again with -DANEMLL_WITH_PARQUET=ON; "
             "or convert "
             "the file to .jsonl");
}

}  // namespace anemll::datasets
