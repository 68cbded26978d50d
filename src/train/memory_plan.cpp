// See memory_plan.hpp. Each item names one allocation that grows with the model, the batch or the cache.
// What is known of the pieces: tests/bench/memory.sh holds the plan against real runs.
#include "src/train/internal/memory_plan.hpp"

#include "anemll/core/log.hpp"
#include "src/distill/objective.hpp"
#include "src/quant/layer_type.hpp"
#include "src/train/internal/live_teacher.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <c10/util/accumulate.h>

namespace anemll {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;
constexpr std::int64_t kFloatBytes = 4;
constexpr std::int64_t kHalfBytes = 2;
// Code and buffers of LibTorch, MPI and HDF5 in a run whose model is small.
constexpr std::int64_t kLibraries = 170 * kMiB;
constexpr std::int64_t kReadAhead = 5;    // batches: the queue of the prefetcher and the one in use
constexpr std::int64_t kPassRows = 8;     // rows of a forward pass in evaluations and inspections
constexpr std::int64_t kScoreRows = 128;  // positions whose logits an evaluation compares at a time

constexpr auto kTimes = std::to_array<std::pair<MemoryTime, const char*>>({
    {MemoryTime::always, "all the time"},
    {MemoryTime::start, "while the start is made"},
    {MemoryTime::step, "in a step"},
    {MemoryTime::evaluation, "in an evaluation"},
    {MemoryTime::inspection, "when layers are looked at"},
    {MemoryTime::saving, "when a state is saved"},
});

/// Widths and sums over the linears, counted once.
struct Sizes {
  std::int64_t body = 0;          ///< weights
  std::int64_t indices = 0;       ///< bytes of stored ones
  std::int64_t floats = 0;        ///< values of the layers' tables
  std::int64_t largest = 0;       ///< weights of the largest linear
  std::int64_t rank_outputs = 0;  ///< kept by a token where a forward goes rank by rank
};

Sizes sizes_of(const MemoryFacts& facts) {
  Sizes sizes;
  for (const LinearSpec& linear : body_linears(facts.architecture)) {
    const LinearQuant& quant = facts.source.quant.spec.of(linear.name);
    for (const TensorRow& row : layer_type(quant.type).table(linear, quant)) {
      if (row.dtype == at::kByte) sizes.indices += c10::multiply_integers(row.shape);
      if (row.role == LayerRole::trained || row.suffix == ".weight")
        sizes.floats += c10::multiply_integers(row.shape);
    }
    sizes.body += linear.out * linear.in;
    sizes.largest = std::max(sizes.largest, linear.out * linear.in);
    sizes.rank_outputs += linear.out * quant.rank;
  }
  return sizes;
}

/// Bytes that a layer keeps of a token for its backward: both sums of the residual stream in fp32, and in the
/// compute precision what the norms, the heads and the MLP give, and both outputs that the sums take.
/// Measured on SmolLM2-135M in fp32 as 1.13 MiB a token with all that is in flight; counted as 1.13.
std::int64_t kept_of_layer(const Architecture& a, const LayerSpec& layer, std::int64_t compute_bytes) {
  const std::int64_t queries = a.heads * a.head_dim, keys = a.kv_heads * a.head_dim;
  const std::int64_t before_norm = layer.qk_norm ? queries + keys : 0;
  const std::int64_t attention = 2 * queries + 2 * keys + before_norm;  // q, the mix, k, v
  return (2 * a.hidden_size + a.heads) * kFloatBytes +
         (4 * a.hidden_size + attention + 3 * a.intermediate_size) * compute_bytes;
}

std::int64_t kept_of_token(const MemoryFacts& facts, const Sizes& sizes, std::int64_t compute_bytes) {
  const Architecture& a = facts.architecture;
  std::int64_t all = 0, largest = 0;
  for (const LayerSpec& layer : a.layers) {
    const std::int64_t bytes = kept_of_layer(a, layer, compute_bytes);
    all += bytes;
    largest = std::max(largest, bytes);
  }
  if (facts.options.forward != ForwardMode::materialised && !facts.options.v1)
    all += sizes.rank_outputs * compute_bytes;
  if (!facts.options.gradient_checkpointing) return all;
  const std::int64_t layers = std::max<std::int64_t>(a.layer_count(), 1);
  const std::int64_t stream = a.hidden_size * (kFloatBytes + compute_bytes);  // kept before each layer
  return layers * stream + std::max(largest, all / layers);
}

/// Of a pass over rows of the cache, or over a chunk of the text, without gradients, at its widest place.
std::int64_t pass_bytes(const MemoryFacts& facts, const Sizes& sizes) {
  const Architecture& a = facts.architecture;
  const std::int64_t rows = std::min(kPassRows, facts.cache.sequences);
  const std::int64_t chunk = facts.options.eval_text ? facts.options.eval_ctx : 0;
  const std::int64_t widest = 4 * a.hidden_size + 3 * a.intermediate_size;
  return (std::max(rows * facts.cache.length, chunk) * widest + sizes.largest) * kFloatBytes;
}

class Builder {
 public:
  Builder(const MemoryFacts& facts, std::int64_t batch_size)
      : facts_(facts),
        o_(facts.options),
        a_(facts.architecture),
        objective_(*facts.options.kd_objective),
        sizes_(sizes_of(facts)),
        compute_(static_cast<std::int64_t>(c10::elementSize(facts.compute))),
        // Rows that the cache does not have are not computed.
        rows_(std::min((batch_size - 1) / facts.ranks + 1, facts.cache.sequences)) {
    plan_.ranks = facts.ranks;
    plan_.tokens = rows_ * facts.cache.length;
  }

  MemoryPlan build(bool root) {
    add_model();
    if (facts_.starts) add_start();
    add_step();
    if (o_.eval_samples > 0) add_evaluation();
    if (root && o_.inspect_steps > 0) add_inspection();
    if (root && o_.shard_optimizer && facts_.ranks > 1)
      add(MemoryTime::saving, "moments of all ranks", facts_.source.trained_values * 2 * kFloatBytes);
    add(MemoryTime::always, "program, libraries and their buffers", kLibraries);
    return std::move(plan_);
  }

 private:
  void add(MemoryTime when, const char* name, std::int64_t bytes) {
    if (bytes > 0) plan_.items.push_back({name, bytes, when});
  }
  std::int64_t head() const { return a_.vocab_size * a_.hidden_size; }
  /// Bytes of a row of the cache as it is read.
  std::int64_t sequence(bool hidden) const {
    const KdCacheInfo& cache = facts_.cache;
    return cache.length * 5 + cache.positions * (cache.topk * 6 + (hidden ? a_.hidden_size * kHalfBytes : 0));
  }

  void add_model() {
    const std::int64_t trained = facts_.source.trained_values;
    const std::int64_t shares = o_.shard_optimizer ? facts_.ranks : 1;
    add(MemoryTime::always, "indices (uint8)", sizes_.indices);
    add(MemoryTime::always, o_.v1 ? "weights and scales (fp32)" : "scales (fp32)",
        sizes_.floats * kFloatBytes);
    add(MemoryTime::always, "gradients and AdamW moments (fp32)",
        trained * kFloatBytes + trained * 2 * kFloatBytes / shares);
    add(MemoryTime::always, "head in compute precision", head() * compute_);
    add(MemoryTime::always, "embedding, as stored", head() * kHalfBytes);
    if (facts_.gguf)
      add(MemoryTime::always, "weights of the .gguf file (fp16)", (sizes_.body + head()) * kHalfBytes);
    add(MemoryTime::always, "batches read ahead",
        kReadAhead * rows_ *
            sequence(objective_.payloads.has(Payload::hidden) && !needs_live_teacher(o_, facts_.cache)));
    if (needs_live_teacher(o_, facts_.cache))
      add(MemoryTime::always, "weights of the teacher in compute precision", sizes_.body * compute_);
  }

  /// Of --init: what src/start/README.md says is in memory.
  void add_start() {
    constexpr std::int64_t kStreams = 3, kMoments = 8;  // moments: branches of their sums, and what is solved
    const std::int64_t tokens =
        std::min(o_.start.calibration_tokens, facts_.cache.sequences * facts_.cache.length);
    const std::int64_t widest =
        std::max(a_.intermediate_size, std::max(a_.hidden_size, a_.heads * a_.head_dim));
    const std::int64_t layers = std::max<std::int64_t>(a_.layer_count(), 1);
    add(MemoryTime::start, "streams of teacher and student",
        tokens / facts_.ranks * a_.hidden_size * kStreams * kFloatBytes);
    add(MemoryTime::start, "weights of one block (fp32)", sizes_.body / layers * kFloatBytes);
    add(MemoryTime::start, "moments of one input (fp64)", widest * widest * kMoments * 2 * kFloatBytes);
  }

  void add_step() {
    const std::int64_t tokens = plan_.tokens;
    const bool materialised = o_.forward == ForwardMode::materialised || o_.v1;
    add(MemoryTime::step, materialised ? "weights of the step" : "rounded Q of a layer",
        materialised ? sizes_.body * compute_ : sizes_.largest * kFloatBytes);
    // As they are, and as the weight multiplies them.
    if (!o_.v1) add(MemoryTime::step, "scale factors of the step", 2 * sizes_.floats * kFloatBytes);
    if (materialised && o_.accumulation_steps > 1 && !o_.v1)
      add(MemoryTime::step, "weight gradients over micro-steps", sizes_.body * kFloatBytes);
    add(MemoryTime::step, "activations kept for backward", tokens * kept_of_token(facts_, sizes_, compute_));
    add(MemoryTime::step, "gradients on their way back",
        tokens * (2 * a_.hidden_size + 3 * a_.intermediate_size) * compute_ +
            2 * sizes_.largest * kFloatBytes);
    const std::int64_t teacher = objective_.payloads.has(Payload::hidden) ? a_.hidden_size : 0;
    const std::int64_t targets = 3 * facts_.cache.topk +  // ids, logits as stored and in fp32
                                 (o_.sampled_ce_weight > 0 ? o_.sampled_negatives : 0);
    add(MemoryTime::step, "hidden states, targets and their gradient",
        tokens * (4 * a_.hidden_size + teacher + targets) * kFloatBytes);
    const std::int64_t chunk = std::min(KdLossOptions().chunk_tokens, tokens);
    const bool two = objective_.teacher_logits;
    add(MemoryTime::step, two ? "logits chunks of teacher and student" : "logits chunk and its gradient",
        chunk * a_.vocab_size * compute_ * (two ? 2 : 1));
  }

  void add_evaluation() {
    const KdCacheInfo& cache = facts_.cache;
    const bool teacher = o_.eval_text || o_.teacher_model;
    const bool hidden = cache.hidden > 0 && !o_.teacher_model;
    const std::int64_t rows =
        std::min(o_.eval_samples, cache.sequences) + std::min(o_.eval_samples, cache.holdout_sequences);
    add(MemoryTime::always, "rows of evaluations", rows * sequence(hidden));
    if (teacher && !hidden)
      add(MemoryTime::always, "hidden states of the teacher",
          rows * cache.positions * a_.hidden_size * kFloatBytes);
    if (o_.eval_text)  // half of each chunk; of a text without a limit nobody knows yet
      add(MemoryTime::always, "hidden states of the teacher on the text",
          o_.eval_chunks * o_.eval_ctx / 2 * a_.hidden_size * kFloatBytes);
    if (compute_ < kFloatBytes) add(MemoryTime::evaluation, "head in fp32", head() * kFloatBytes);
    add(MemoryTime::evaluation, "a pass over rows, one weight at a time", pass_bytes(facts_, sizes_));
    add(MemoryTime::evaluation, "logits chunk", KdLossOptions().chunk_tokens * a_.vocab_size * kFloatBytes);
    if (hidden || teacher)
      add(MemoryTime::evaluation, "divergences: two logits chunks",
          a_.vocab_size * 2 * kScoreRows * kFloatBytes);
    if (teacher)
      add(MemoryTime::evaluation, "teacher of the first evaluation (fp32)", sizes_.body * kFloatBytes);
  }

  void add_inspection() {
    constexpr std::int64_t kStreams = 8;  // of the model, of the student alone and shown, before and behind
    const std::int64_t rows = std::min(kPassRows, facts_.cache.sequences);
    add(MemoryTime::inspection, "streams of model and student",
        rows * facts_.cache.length * a_.hidden_size * kStreams * kFloatBytes);
    add(MemoryTime::inspection, "a pass over rows, one weight at a time", pass_bytes(facts_, sizes_));
    add(MemoryTime::inspection, "weights of one layer (fp32)", 4 * sizes_.largest * kFloatBytes);
    add(MemoryTime::inspection, "the model's weights, as stored", sizes_.body * kHalfBytes);
    add(MemoryTime::inspection, "a second embedding, as stored", head() * kHalfBytes);
    if (compute_ < kFloatBytes) add(MemoryTime::inspection, "head in fp32", head() * kFloatBytes);
  }

  const MemoryFacts& facts_;
  const TrainOptions& o_;
  const Architecture& a_;
  const Objective& objective_;
  Sizes sizes_;
  std::int64_t compute_;
  std::int64_t rows_;
  MemoryPlan plan_;
};

}  // namespace

std::int64_t MemoryPlan::bytes_at(MemoryTime when) const {
  std::int64_t total = 0;
  for (const MemoryItem& item : items) {
    if (item.when == MemoryTime::always || item.when == when) total += item.bytes;
  }
  return total;
}

MemoryTime MemoryPlan::peak() const {
  MemoryTime most = MemoryTime::always;
  for (const auto& [when, words] : kTimes) {
    if (bytes_at(when) > bytes_at(most)) most = when;
  }
  return most;
}

std::string MemoryPlan::text() const {
  std::string out =
      strf("Memory per rank (%lld rank%s, %lld tokens each per micro-step), estimated:\n",
           static_cast<long long>(ranks), ranks == 1 ? "" : "s", static_cast<long long>(tokens));
  const auto line = [](const std::string& name, std::int64_t bytes) {
    return strf("  %-48s %12s", name.c_str(), format_bytes(static_cast<std::uint64_t>(bytes)).c_str());
  };
  std::string most = "total";
  for (const auto& [when, words] : kTimes) {
    const auto of_it = [when = when](const MemoryItem& item) { return item.when == when; };
    if (std::none_of(items.begin(), items.end(), of_it)) continue;
    out += std::string("  ") += words;
    out += ":\n";
    for (const MemoryItem& item : items) {
      if (of_it(item)) out += "  " + line(item.name, item.bytes) + '\n';
    }
    if (when == peak() && when != MemoryTime::always) most += std::string(", ") += words;
  }
  return out + line(most, total_bytes());
}

MemoryPlan plan_memory(const MemoryFacts& facts, std::int64_t batch_size, bool root) {
  return Builder(facts, batch_size).build(root);
}

}  // namespace anemll
