// See staging.hpp.
#include "src/data/staging.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/core/normalised.hpp"
#include "src/core/output_folder.hpp"
#include "src/core/system_error.hpp"

#include <string>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kElsewhere = "give another destination, or take it away yourself with mv or rm -r";

// The files that importing and exporting make, and nothing else.
bool ours(const fs::directory_entry& entry) {
  const EntryRule* rule = rule_of(kd_cache_files(), entry.path());
  return entry.is_regular_file() && rule != nullptr && rule->role == EntryRole::result;
}

}  // namespace

// An overwrite must never take away something that no cache needs.
void require_replaceable_cache(const fs::path& path) {
  if (!fs::is_directory(path)) {
    if (path.extension() == ".h5") return;
    throw_usage("exists and is not a .h5 file, so it is not overwritten", path.string(), kElsewhere);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    if (ours(entry)) continue;
    throw_usage("holds " + entry.path().filename().string() +
                    ", which is not part of a KD cache, so it is not overwritten",
                path.string(), kElsewhere);
  }
}

Staging::Staging(const fs::path& source, const fs::path& destination, bool overwrite)
    : destination_(normalised(destination)),
      work_(destination_, ".partial", kd_cache_work(), "destination"),
      cache_(work_.path() / "cache"),
      overwrite_(overwrite) {
  std::error_code missing;
  if (fs::equivalent(source, destination_, missing)) {
    throw_usage("source and destination are the same", destination_.string(),
                "give another destination, as in anemll_cache import SRC DST");
  }
  if (fs::exists(destination_)) {
    if (!overwrite) throw_usage("already exists", destination_.string(), "use --overwrite to replace it");
    require_replaceable_cache(destination_);
  }
  work_.take();
  work_.clear();  // what a killed writer left
  std::error_code error;
  fs::create_directory(cache_, error);
  if (error) throw_system("cannot create", cache_, error);
}

Staging::~Staging() {
  if (!done_) work_.discard();
}

void Staging::commit() {
  sync_directory(cache_);
  publish(cache_);
}

void Staging::commit_file(const fs::path& file) {
  publish(file);
}

void Staging::publish(const fs::path& made) {
  if (overwrite_ && fs::exists(destination_))
    require_replaceable_cache(destination_);  // hours may have passed
  work_.publish(made, overwrite_);
  done_ = true;
}

}  // namespace anemll
