#include "src/train/internal/output_files.hpp"

#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/core/local_time.hpp"
#include "src/core/output_folder.hpp"
#include "src/core/put_in_place.hpp"
#include "src/hub/recorded_id.hpp"
#include "src/student/checkpoint_config.hpp"
#include "src/train/internal/v1_files.hpp"

#include <algorithm>
#include <ctime>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kBest = "best_state_dict.pt";
constexpr const char* kScratchInitial = "v2_scratch_initial.pt";
constexpr const char* kConvertedInitial = "v2_initial.pt";

// Names that a new run writes itself, so that a source of that name is found in earlier-<n> later.
constexpr std::string_view kWrittenAnew[] = {"best_state_dict.pt", "v2_scratch_initial.pt", "v2_initial.pt",
                                             "checkpoint_step#.pt", "model_state_dict.pt"};

constexpr std::uint64_t kShowFrom = std::uint64_t{64}
                                    << 20;  // smaller files are written before a bar is read

constexpr std::size_t kReleaseEvery = 64;  // tensors

/// The model under the reference's keys, with progress for files that take a while. The file repeats the
/// model's own weights: what was read of them is given back on the way, so that a run needs no more memory
/// for its files than for its steps.
void write_state_dict(const fs::path& path, const Student& student, bool half = false,
                      CastCounts* counts = nullptr) {
  const std::vector<LazyTensor> tensors = student.reference_state_dict(half, counts);
  std::uint64_t bytes = 0;
  for (const LazyTensor& tensor : tensors) {
    if (tensor.alias_of.empty()) bytes += total_bytes({&tensor, 1});
  }
  if (bytes < kShowFrom) {
    write_torch_file(path, tensors);
  } else {
    const auto count = static_cast<std::int64_t>(tensors.size());
    Progress bar("writing " + path.filename().string() + ", " + format_bytes(bytes), count, "tensors");
    write_torch_file(path, tensors, [&](std::size_t place) {
      bar.update(static_cast<std::int64_t>(place));
      if (place % kReleaseEvery == 0) student.files().release_pages();
    });
    bar.update(count);
    bar.finish();
  }
  student.files().release_pages();
}

std::string timestamp() {
  return local_time(std::time(nullptr), "%Y%m%d_%H%M%S");
}

std::string periodic_name(std::int64_t step) {
  return "checkpoint_step" + std::to_string(step) + ".pt";
}

/// Nothing for a name that is nearly one of ours (checkpoint_step03.pt): somebody's own copy.
std::optional<std::int64_t> periodic_step(const fs::path& path) {
  const std::string name = path.filename().string();
  const auto step = number_in("checkpoint_step#.pt", name);
  return step && periodic_name(*step) == name ? step : std::nullopt;
}

}  // namespace

std::string source_of(const TrainOptions& options, const std::optional<fs::path>& earlier) {
  const std::optional<std::string>& source = options.source_file();
  if (!source) return options.from_scratch ? "scratch" : "resumed";
  const fs::path name = fs::path(*source).filename();
  std::error_code none;
  if (earlier && fs::equivalent(*source, *earlier / name, none)) {
    for (const std::string_view pattern : kWrittenAnew) {
      if (matches(pattern, name.string())) return (*earlier / name).string();
    }
  }
  return *source;
}

OutputFiles::OutputFiles(const TrainOptions& options, std::string source_checkpoint)
    : options_(options), folder_(options.output_dir), source_(std::move(source_checkpoint)) {}

fs::path OutputFiles::best() const {
  return folder_ / kBest;
}

void OutputFiles::write_start(const Student& student) {
  if (options_.v1 || options_.v2_checkpoint) return write_best(student);
  const char* name = options_.v1_checkpoint ? kConvertedInitial : kScratchInitial;
  write_state_dict(folder_ / name, student);
  share_best(name, student);
}

void OutputFiles::mend_start(const Student& student, const std::string& options_json) {
  const auto options = nlohmann::json::parse(options_json);
  const bool converted = options.contains("v1-checkpoint") && options["v1-checkpoint"].is_string();
  if (options_.v1 || (!converted && !options.value("from-scratch", false))) return;
  const char* name = converted ? kConvertedInitial : kScratchInitial;
  if (!fs::exists(folder_ / name)) write_state_dict(folder_ / name, student);
}

void OutputFiles::write_best(const Student& student) {
  write_state_dict(best(), student);
}

void OutputFiles::share_best(const std::string& name, const Student& student) {
  const fs::path link = folder_ / (std::string(kBest) + ".link");
  std::error_code no_links;
  fs::remove(link, no_links);
  fs::create_hard_link(folder_ / name, link, no_links);
  if (no_links) return write_best(student);  // the file system has none: write the bytes again
  put_in_place(link, best());
  sync_directory(folder_);
}

std::string OutputFiles::write_periodic(const Student& student, std::int64_t step) {
  std::string name = periodic_name(step);
  write_state_dict(folder_ / name, student);
  if (options_.keep_checkpoints == 0) return name;
  // By the steps in their names: times change when a folder is copied. Files of later steps are not this
  // run's past.
  std::vector<std::pair<std::int64_t, fs::path>> files;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const auto n = periodic_step(entry.path());
    std::error_code none;
    const auto& file = options_.source_file();
    const bool source = file && fs::equivalent(entry.path(), *file, none);
    if (n && *n < step && !source) files.emplace_back(*n, entry.path());
  }
  std::sort(files.begin(), files.end());
  const auto keep = static_cast<std::size_t>(options_.keep_checkpoints - 1);
  for (std::size_t i = 0; i + keep < files.size(); ++i) fs::remove(files[i].second);
  return name;
}

void OutputFiles::move_later(std::int64_t step, const fs::path& to) const {
  std::vector<fs::path> later;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (periodic_step(entry.path()).value_or(-1) > step) later.push_back(entry.path());
  }
  for (const fs::path& file : later) fs::rename(file, to / file.filename());
}

std::pair<std::string, std::string> OutputFiles::write_final(const Student& student) {
  if (options_.v1) {
    write_v1_tensors(options_, student);
    wrote_final_ = true;
    return {std::string(kV1State), std::string(kV1Indices)};
  }
  const std::string preset = preset_name(student.spec());
  const std::string stem = "v2_" + (preset.empty() ? "custom" : preset) + "_";
  const std::string time = timestamp();
  const std::string full = stem + choice_name(options_.dtype) + "_" + time + ".pt";
  const std::string half = stem + "fp16_" + time + ".pt";
  // Under --dtype fp16 both have one name, and the half-precision file is the one that stays.
  if (full != half) write_state_dict(folder_ / full, student);
  CastCounts counts;
  write_state_dict(folder_ / half, student, true, &counts);
  if (counts.saturated > 0) {
    log_warning(strf("%s: %lld values were clamped to the half range", half.c_str(),
                     static_cast<long long>(counts.saturated)));
  }
  return {full, half};
}

void OutputFiles::write_config(const Student& student, std::optional<double> final_loss) {
  if (options_.v1) return write_v1_config(options_, student, final_loss, wrote_final_);
  const QuantSpec& spec = student.spec();
  nlohmann::ordered_json config = checkpoint_config(
      spec,
      {id_to_record(options_.model_id), revision_to_record(options_.model_id, options_.model_revision)});
  config["lora_r"] = 0;
  config["lora_alpha"] = 0;
  config["lora_mlp_only"] = false;
  config["max_steps"] = options_.max_steps;
  config["final_loss"] = final_loss ? nlohmann::ordered_json(*final_loss) : nlohmann::ordered_json(nullptr);
  config["source_checkpoint"] = source_;
  add_reading_rules(config, spec);
  write_file(folder_ / "config.json", config_text(config));
}

}  // namespace anemll
