#include "src/teacher/internal/workspace.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/data/kd_cache.hpp"
#include "src/core/hash.hpp"
#include "src/core/normalised.hpp"
#include "src/core/output_folder.hpp"
#include "src/core/system_error.hpp"
#include "src/data/origin.hpp"
#include "src/data/schema.hpp"
#include "src/data/staging.hpp"
#include "src/data/torch_shards.hpp"

#include <string_view>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kSuffix = ".precompute";
constexpr const char* kChoices =
    "add --resume to go on where it stopped, or --overwrite to start anew and replace it";

/// A link stays a link: what it points to is made or replaced.
fs::path without_link(const fs::path& path) {
  const fs::path plain = normalised(path);
  return fs::is_symlink(plain) ? fs::weakly_canonical(plain) : plain;
}

bool is_empty_folder(const fs::path& path) {
  return fs::is_directory(path) && fs::is_empty(path);
}

/// From index.json or the reference's meta.json of a finished cache.
std::optional<CacheOrigin> origin_of(const fs::path& cache) {
  if (fs::is_regular_file(cache / kIndexName)) {
    const auto index = nlohmann::json::parse(read_text(cache / kIndexName), nullptr, false);
    return index.contains("meta") ? cache_origin(index["meta"].dump()) : std::nullopt;
  }
  if (fs::is_regular_file(cache / "meta.json")) return cache_origin(read_text(cache / "meta.json"));
  return std::nullopt;
}

/// A data error when a finished cache does not hold what it lists.
void require_whole(const fs::path& cache) {
  try {
    if (identify_cache(cache) != CacheKind::torch_folder) {
      if (KdCache::open(cache).info().holdout_sequences > 0) (void)KdCache::open(cache, CachePart::holdout);
      return;
    }
    std::int64_t rows = 0;
    for (const fs::path& shard : list_torch_shards(cache).shards) rows += read_torch_shard(shard, false).rows;
    const auto meta = nlohmann::json::parse(read_text(cache / "meta.json"), nullptr, false);
    const auto found = meta.find("num_sequences");
    const std::int64_t listed =
        found != meta.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
    if (rows != listed) {
      throw_data(
          strf("has %lld sequences of %lld", static_cast<long long>(rows), static_cast<long long>(listed)),
          cache.string(), "");
    }
  } catch (const Error& error) {
    throw_data("the finished cache is damaged: " + error.problem(), error.where(),
               "add --overwrite to make it again");
  }
}

}  // namespace

fs::path Workspace::tokens_file(const fs::path& folder) {
  return folder / "tokens.i32";
}
fs::path Workspace::plan_file(const fs::path& folder) {
  return folder / "plan.json";
}
fs::path Workspace::units_folder(const fs::path& folder) {
  return folder / "units";
}
fs::path Workspace::cache_folder(const fs::path& folder) {
  return folder / "cache";
}

Workspace::Workspace(const fs::path& output, const std::string& identity_json, bool resume, bool overwrite,
                     const std::string& earlier_identity_json)
    : output_(without_link(output)),
      work_(output_, kSuffix, kd_cache_work(), "--output_dir"),
      earlier_identity_(earlier_identity_json) {
  if (!earlier_identity_.empty()) earlier_plan_ = plan_id(earlier_identity_);
  const bool there = work_.is_there();
  if (there) {
    look_at_folder(identity_json, resume, overwrite);
  } else {
    look_at_output(identity_json, resume, overwrite);
  }
  if (state_ == State::complete) return;
  if (!there) take();
  std::error_code error;
  for (const fs::path& part : {units_folder(folder()), cache_folder(folder())}) {
    fs::create_directories(part, error);
    if (error) throw_system("cannot create", part, error);
  }
}

void Workspace::look_at_folder(const std::string& identity_json, bool resume, bool overwrite) {
  take();
  if (overwrite) {
    work_.clear();
    return look_at_output(identity_json, false, true);
  }
  if (!fs::exists(plan_file(folder()))) {
    look_at_output(identity_json, resume, false);
    if (state_ == State::complete) return discard();
    log_info(folder().string() + ": the earlier run was stopped before its work was planned; starting anew");
    return;
  }
  if (!resume) throw_usage("an unfinished run is there", folder().string(), kChoices);
  plan_ = parse_plan(read_text(plan_file(folder())), plan_file(folder()));
  require_same_identity(plan_.identity_json, identity_json, earlier_identity_, folder());
  const std::optional<CacheOrigin> there = origin_of(output_);
  if (there && there == cache_origin(plan_.meta_json)) {
    discard();  // killed between the rename and the clearing up
    state_ = State::complete;
    return;
  }
  if (fs::exists(output_) && !is_empty_folder(output_) && !plan_.replace) {
    throw_usage("was made by someone else meanwhile", output_.string(),
                "choose another --output_dir, or start anew with --overwrite");
  }
  if (sha256_file(tokens_file(folder())) != plan_.tokens_sha256) {
    throw_data("the tokens of the run to resume are damaged", tokens_file(folder()).string(),
               "start anew with --overwrite");
  }
  replace_ = plan_.replace;
  state_ = State::resumed;
}

void Workspace::look_at_output(const std::string& identity_json, bool resume, bool overwrite) {
  if (!fs::exists(output_) || is_empty_folder(output_)) return;
  if (overwrite) {
    require_replaceable_cache(output_);
    replace_ = true;
    return;
  }
  const std::optional<CacheOrigin> made = origin_of(output_);
  if (!made) {
    throw_usage("already exists and is no cache of this program", output_.string(),
                "choose another --output_dir (--overwrite replaces KD caches and nothing else)");
  }
  if (!resume) {
    throw_usage("a finished cache is there", output_.string(),
                "choose another --output_dir, or add --overwrite to replace it (--resume leaves a finished "
                "cache as it is)");
  }
  if (made->plan != plan_id(identity_json) && (made->plan.empty() || made->plan != earlier_plan_)) {
    throw_usage("there is nothing to resume: this is not a cache of these options", output_.string(),
                "choose another --output_dir, or add --overwrite to replace it");
  }
  require_whole(output_);
  state_ = State::complete;
}

void Workspace::start(const Plan& plan) {
  plan_ = plan;
  plan_.replace = replace_;
  write_file(plan_file(folder()), write_plan(plan_));
  sync_directory(folder());
}

void Workspace::publish(const fs::path& cache) {
  sync_directory(cache);
  if (is_empty_folder(output_)) fs::remove(output_);
  if (replace_ && fs::exists(output_)) require_replaceable_cache(output_);  // hours have passed
  work_.publish(cache, replace_);
}

void Workspace::discard() {
  work_.discard();
}

void Workspace::take() {
  work_.take();
  constexpr std::string_view kTemporary[] = {"*.tmp.#"};
  for (const fs::path& part : {units_folder(folder()), cache_folder(folder())}) sweep(part, kTemporary);
}

}  // namespace anemll
