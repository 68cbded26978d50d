// A KD cache with every payload, made from the nano model's own forward over the token blocks of its golden
// cache, and runs of the trainer on it.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/half.hpp"
#include "anemll/data/kd_cache.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/train/train.hpp"
#include "src/data/schema.hpp"
#include "src/data/shard_file.hpp"
#include "src/model/decoder.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

namespace anemll::test {

struct PayloadCache {
  std::int64_t rows = 24;
  std::int64_t holdout = 6;
  double temperature = 2;  ///< of lse_train; 0: no log-sum-exp at all
  bool lse_t1 = true;
  bool hidden = true;
  std::string head = {};     ///< instead of the nano model's
  std::string teacher = {};  ///< fingerprint of the model that is said to have made it; empty: not said
};

/// The first rows of the golden cache: ids and what the teacher says about them.
struct NanoTeacher {
  at::Tensor ids;     // [N, L] int64
  at::Tensor hidden;  // [N, S, H] fp32
  at::Tensor logits;  // [N, S, V] fp32
};

inline const ModelFiles& nano_files() {
  static const ModelFiles files = load_model_files(golden("nano"));
  return files;
}

inline NanoTeacher ask_nano(std::int64_t rows) {
  const at::NoGradGuard no_grad;
  const TempDir work;
  KdCache cache = KdCache::open(ensure_hdf5_cache(golden("nano/cache"), work.path(), {}));
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(rows));
  std::iota(numbers.begin(), numbers.end(), std::int64_t{0});
  KdBatch batch;
  cache.read(numbers, {}, batch);
  NanoTeacher out;
  out.ids = at::from_blob(batch[kd::input_ids].data(), {rows, batch.length}, at::kInt).to(at::kLong);
  Decoder teacher(nano_files(), at::kCPU, true);
  out.hidden = teacher.hidden(out.ids, {}).narrow(1, 0, batch.length - 1);
  out.logits = teacher.logits(out.hidden);
  return out;
}

/// Rows [first, first + count) as one shard.
inline ShardEntry write_payload_shard(const std::filesystem::path& path, const CacheShape& shape,
                                      const NanoTeacher& teacher, std::int64_t first, std::int64_t count) {
  const auto [values, ids] = teacher.logits.narrow(0, first, count).topk(shape.topk, -1);
  const at::Tensor logits = teacher.logits.narrow(0, first, count).to(at::kDouble);
  ShardWriter writer(path, shape, count, 0);
  for (std::size_t i = 0; i < writer.specs().size(); ++i) {
    const std::string& name = writer.specs()[i].name;
    at::Tensor data;
    if (name == "input_ids") data = teacher.ids.narrow(0, first, count).to(at::kInt);
    if (name == "attention_mask") data = at::ones({count, shape.length}, at::kByte);
    if (name == "topk_idx") data = ids.to(at::kInt);
    if (name == "topk_logits") data = values.to(at::kHalf);
    if (name == "lse_t1") data = at::logsumexp(logits, -1).to(at::kFloat);
    if (name == "lse_train") data = at::logsumexp(logits / shape.lse_train_temperature, -1).to(at::kFloat);
    if (name == "hidden") data = teacher.hidden.narrow(0, first, count).to(at::kHalf);
    data = data.contiguous();
    writer.append(i, {static_cast<const std::byte*>(data.const_data_ptr()), data.nbytes()});
  }
  return writer.finish(true, R"({"teacher_model":"nano"})", "{}");
}

inline void write_payload_cache(const std::filesystem::path& folder, const PayloadCache& made) {
  const NanoTeacher teacher = ask_nano(made.rows + made.holdout);
  CacheIndex index;
  index.shape.length = teacher.ids.size(1);
  index.shape.positions = index.shape.length - 1;
  index.shape.topk = 16;
  index.shape.vocab_size = teacher.logits.size(2);
  if (made.lse_t1) index.shape.listed.insert(kd::lse_t1);
  if (made.temperature > 0) index.shape.listed.insert(kd::lse_train);
  index.shape.lse_train_temperature = made.temperature;
  if (made.hidden) {
    index.shape.hidden = teacher.hidden.size(2);
    index.shape.head_sha256 = made.head.empty() ? head_sha256(nano_files()) : made.head;
  }
  if (!made.teacher.empty()) {
    index.meta_json =
        nlohmann::json{{"teacher_model", "its/teacher"}, {"anemll", {{"teacher_fingerprint", made.teacher}}}}
            .dump();
  }
  std::filesystem::create_directories(folder);
  const auto write = [&](const std::string& stem, std::int64_t first, std::int64_t count) {
    const std::string name = shard_name(0, ".h5", stem);
    return write_payload_shard(folder / name, index.shape, teacher, first, count);
  };
  index.shards.push_back(write("shard", 0, made.rows));
  if (made.holdout > 0) index.holdout.push_back(write("holdout", made.rows, made.holdout));
  write_file(folder / kIndexName, write_index(index));
}

inline TrainOptions nano_options(const std::filesystem::path& cache, const std::filesystem::path& out) {
  TrainOptions options;
  options.v2_checkpoint = golden("nano/v2_q2a4_init.pt").string();
  options.model_id = golden("nano").string();
  options.cache_dir = cache.string();
  options.output_dir = out.string();
  options.order = OrderKind::sequential;
  options.precision = Precision::fp32;
  options.threads = 1;
  options.batch_size = 4;
  options.eval_samples = 5;
  options.eval_steps = 0;
  options.warmup_steps = 0;
  options.max_steps = 1;
  options.logging_steps = 1;
  options.hard_top1 = 0;
  options.hard_full = 0;
  return options;
}

/// Runs to the end; the lines of metrics.jsonl.
inline std::vector<nlohmann::json> train(const TrainOptions& options) {
  const auto comm = make_single_communicator();
  run_training(options, "{}", *comm, 0, 1);
  std::vector<nlohmann::json> lines;
  std::ifstream file(std::filesystem::path(options.output_dir) / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

inline std::vector<nlohmann::json> of_kind(const std::vector<nlohmann::json>& lines,
                                           const std::string& kind) {
  std::vector<nlohmann::json> out;
  for (const nlohmann::json& line : lines) {
    if (line.at("kind") == kind) out.push_back(line);
  }
  return out;
}

}  // namespace anemll::test
