#include "src/train/output_files.hpp"

#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/torch_file.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <tuple>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kBest = "best_state_dict.pt";
constexpr const char* kScratchInitial = "v2_scratch_initial.pt";

constexpr std::uint64_t kShowFrom = std::uint64_t{64}
                                    << 20;  // smaller files are written before a bar is read

/// write_torch_file with progress for files that take a while.
void write_tensors(const fs::path& path, std::vector<LazyTensor> tensors) {
  const std::uint64_t bytes = total_bytes(tensors);
  if (bytes < kShowFrom) {
    write_torch_file(path, tensors);
    return;
  }
  const auto count = static_cast<std::int64_t>(tensors.size());
  Progress bar("writing " + path.filename().string() + ", " + format_bytes(bytes), count, "tensors");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].make = [&bar, i, make = std::move(tensors[i].make)] {
      bar.update(static_cast<std::int64_t>(i));
      return make();
    };
  }
  write_torch_file(path, tensors);
  bar.update(count);
  bar.finish();
}

void write_state_dict(const fs::path& path, const Student& student) {
  write_tensors(path, student.reference_state_dict(false, nullptr));
}

std::string timestamp() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  char text[32];
  std::strftime(text, sizeof(text), "%Y%m%d_%H%M%S", &local);
  return text;
}

std::int64_t bits_of(std::int64_t lut_size) {
  return static_cast<std::int64_t>(std::ceil(std::log2(static_cast<double>(lut_size))));
}

/// n of checkpoint_step{n}.pt, or nothing.
std::optional<std::int64_t> periodic_step(const fs::path& path) {
  const std::string name = path.filename().string();
  constexpr std::string_view kPrefix = "checkpoint_step";
  if (!name.starts_with(kPrefix) || path.extension() != ".pt") return std::nullopt;
  const std::string digits = name.substr(kPrefix.size(), name.size() - kPrefix.size() - 3);
  if (digits.empty() || digits.size() > 18 || !std::all_of(digits.begin(), digits.end(), ::isdigit))
    return std::nullopt;
  return std::stoll(digits);
}

}  // namespace

OutputFiles::OutputFiles(const TrainOptions& options, std::string source_checkpoint)
    : options_(options), folder_(options.output_dir), source_(std::move(source_checkpoint)) {}

void OutputFiles::write_start(const Student& student) {
  if (!options_.from_scratch) {
    write_best(student);
    return;
  }
  write_state_dict(folder_ / kScratchInitial, student);
  const fs::path link = folder_ / (std::string(kBest) + ".link");
  std::error_code no_links;
  fs::remove(link, no_links);
  fs::create_hard_link(folder_ / kScratchInitial, link, no_links);
  if (no_links) {
    write_best(student);  // the file system has none: write the bytes again
  } else {
    fs::rename(link, folder_ / kBest);
  }
}

void OutputFiles::write_best(const Student& student) {
  write_state_dict(folder_ / kBest, student);
}

void OutputFiles::write_periodic(const Student& student, std::int64_t step) {
  write_state_dict(folder_ / ("checkpoint_step" + std::to_string(step) + ".pt"), student);
  if (options_.keep_checkpoints == 0) return;
  // Oldest first by time, as the reference counts; a step breaks ties. The file just written is the newest.
  std::vector<std::tuple<fs::file_time_type, std::int64_t, fs::path>> files;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const auto n = periodic_step(entry.path());
    if (n && *n != step) files.emplace_back(entry.last_write_time(), *n, entry.path());
  }
  std::sort(files.begin(), files.end());
  const auto keep = static_cast<std::size_t>(options_.keep_checkpoints - 1);
  for (std::size_t i = 0; i + keep < files.size(); ++i) fs::remove(std::get<2>(files[i]));
}

std::pair<std::string, std::string> OutputFiles::write_final(const Student& student) {
  const std::string preset = preset_name(student.scheme());
  const std::string stem = "v2_" + (preset.empty() ? "custom" : preset) + "_";
  const std::string time = timestamp();
  const std::string full = stem + options_.dtype + "_" + time + ".pt";
  const std::string half = stem + "fp16_" + time + ".pt";
  // Under --dtype fp16 both have one name, and the half-precision file is the one that stays.
  if (full != half) write_state_dict(folder_ / full, student);
  CastCounts counts;
  write_tensors(folder_ / half, student.reference_state_dict(true, &counts));
  if (counts.saturated > 0) {
    log_warning(strf("%s: %lld values were clamped to the half range", half.c_str(),
                     static_cast<long long>(counts.saturated)));
  }
  return {full, half};
}

void OutputFiles::write_config(const Student& student, std::optional<double> final_loss) {
  const QuantScheme& scheme = student.scheme();
  const std::string preset = preset_name(scheme);
  nlohmann::ordered_json config;
  config["version"] = "v2";
  config["model_id"] = options_.model_id;
  config["config_preset"] = preset.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(preset);
  config["lut_bits"] = bits_of(scheme.mlp_lut);
  config["mlp_lut_bits"] = bits_of(scheme.mlp_lut);
  config["attn_lut_bits"] = bits_of(scheme.attn_lut);
  config["scale_rank"] = scheme.mlp_rank;
  config["mlp_scale_rank"] = scheme.mlp_rank;
  config["attn_scale_rank"] = scheme.attn_rank;
  config["group_size"] = options_.group_size;
  config["lora_r"] = 0;
  config["lora_alpha"] = 0;
  config["lora_mlp_only"] = false;
  config["max_steps"] = options_.max_steps;
  config["final_loss"] = final_loss ? nlohmann::ordered_json(*final_loss) : nlohmann::ordered_json(nullptr);
  config["source_checkpoint"] = source_;
  // A consumer that assumes positive scales or softplus magnitudes would read another model.
  config["force_positive_scales"] = student.layers().front()->config().force_positive_scales;
  config["magnitude_activation"] = "identity";
  write_file(folder_ / "config.json", config.dump(2));
}

}  // namespace anemll
