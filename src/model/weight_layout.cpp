#include "src/model/internal/weight_layout.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/model/internal/weight_faults.hpp"
#include "src/model/tensor_registry.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace anemll {
namespace {

constexpr std::string_view kOwn = "model.";
constexpr std::string_view kFirst = "layers.0.input_layernorm.weight";  // every family has it

/// Parts of names that training tools put anywhere: DDP and DeepSpeed, torch.compile, FSDP, checkpointing.
constexpr std::array<std::string_view, 4> kWrappers{"module.", "_orig_mod.", "_fsdp_wrapped_module.",
                                                    "_checkpoint_wrapped_module."};

/// What stands before "layers.": the base model alone, text models inside of multimodal ones, adapters that
/// were merged.
constexpr std::array<std::string_view, 8> kPrefixes{kOwn,
                                                    "",
                                                    "language_model.model.",
                                                    "model.language_model.",
                                                    "model.language_model.model.",
                                                    "language_model.",
                                                    "model.model.",
                                                    "base_model.model.model."};

/// "layers.0.mlp.up_proj.weight" of a name with this prefix; nothing of names of other parts.
std::optional<std::string> behind(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  const std::string_view rest = name.substr(prefix.size());
  for (const std::string_view part : {"layers.", "embed_tokens.", "norm."}) {
    if (rest.starts_with(part)) return std::string(rest);
  }
  return std::nullopt;
}

/// A tensor keeps its own name where it has one already.
void rename(FoundMap& found, const std::string& from, const std::string& to) {
  if (from == to || found.contains(to)) return;
  auto node = found.extract(from);
  node.key() = to;
  found.insert(std::move(node));
}

void take_wrappers(FoundMap& found) {
  std::set<std::string> names;
  for (const auto& [name, entry] : found) names.insert(name);
  for (const std::string& name : names) {
    std::string bare;
    for (std::size_t at = 0; at < name.size();) {
      const std::size_t dot = name.find('.', at);
      const std::string part = name.substr(at, dot == std::string::npos ? dot : dot + 1 - at);
      if (std::find(kWrappers.begin(), kWrappers.end(), part) == kWrappers.end()) bare += part;
      at += part.size();
    }
    if (!bare.empty()) rename(found, name, bare);
  }
}

void take_prefix(FoundMap& found) {
  for (const std::string_view prefix : kPrefixes) {
    if (!found.contains(std::string(prefix) + std::string(kFirst))) continue;
    std::set<std::string> names;
    for (const auto& [name, entry] : found) names.insert(name);
    for (const std::string& name : names) {
      if (const auto rest = behind(prefix, name)) rename(found, name, std::string(kOwn) + *rest);
    }
    // The head stands beside the base model: "language_model.lm_head.weight" beside "language_model.model.".
    std::string outer(prefix);
    if (outer.ends_with(kOwn)) outer.resize(outer.size() - kOwn.size());
    for (const std::string& head : {outer + kHeadName, std::string(prefix) + kHeadName}) {
      if (found.contains(head)) rename(found, head, kHeadName);
    }
    return;
  }
}

/// Linears that are stored as one, in the order of their rows.
struct Fusion {
  LayerLinear linear;
  std::string_view own, fused;
  std::array<LayerLinear, 2> before;  ///< whose rows come first
  std::size_t count;                  ///< of them
};
constexpr std::array kFusions{
    Fusion{LayerLinear::q, "q_proj", "qkv_proj", {}, 0},
    Fusion{LayerLinear::k, "k_proj", "qkv_proj", {LayerLinear::q}, 1},
    Fusion{LayerLinear::v, "v_proj", "qkv_proj", {LayerLinear::q, LayerLinear::k}, 2},
    Fusion{LayerLinear::gate, "gate_proj", "gate_up_proj", {}, 0},
    Fusion{LayerLinear::up, "up_proj", "gate_up_proj", {LayerLinear::gate}, 1},
};

std::int64_t rows_of(const Architecture& a, LayerLinear linear) {
  if (linear == LayerLinear::q) return a.heads * a.head_dim;
  if (linear == LayerLinear::k || linear == LayerLinear::v) return a.kv_heads * a.head_dim;
  return a.intermediate_size;
}

std::int64_t all_rows(const Architecture& a, std::string_view fused) {
  std::int64_t sum = 0;
  for (const Fusion& fusion : kFusions) sum += fusion.fused == fused ? rows_of(a, fusion.linear) : 0;
  return sum;
}

Found part_of(const Found& whole, const std::string& name, const Fusion& fusion, const Architecture& a) {
  const std::int64_t expected = all_rows(a, fusion.fused);
  refuse_empty(name, whole);
  if (whole.tensor.shape.empty() || whole.tensor.shape.front() != expected) {
    throw_data(
        "tensor " + name + " is " + whole.tensor.describe() +
            strf(", config.json says %lld rows", static_cast<long long>(expected)),
        whole.file.string(),
        "config.json and the weights belong to different models; download both again (hf download ORG/NAME)");
  }
  Found part{whole.tensor.packed(), whole.file};
  const std::size_t row_bytes = part.tensor.bytes() / static_cast<std::size_t>(expected);
  std::int64_t first = 0;
  for (std::size_t i = 0; i < fusion.count; ++i) first += rows_of(a, fusion.before[i]);
  part.tensor.data += static_cast<std::size_t>(first) * row_bytes;
  part.tensor.shape.front() = rows_of(a, fusion.linear);
  return part;
}

void split_fused(FoundMap& found, const Architecture& architecture) {
  std::set<std::string> split;
  for (const TensorSpec& spec : expected_tensors(architecture)) {
    if ((spec.role != TensorRole::weight && spec.role != TensorRole::bias) || found.contains(spec.name))
      continue;
    for (const Fusion& fusion : kFusions) {
      if (fusion.linear != spec.linear) continue;
      std::string fused = spec.name;
      fused.replace(fused.find(fusion.own), fusion.own.size(), fusion.fused);
      const auto whole = found.find(fused);
      if (whole == found.end()) continue;
      found[spec.name] = part_of(whole->second, fused, fusion, architecture);
      split.insert(fused);
    }
  }
  for (const std::string& name : split) found.erase(name);
}

}  // namespace

void to_known_layout(FoundMap& found, const Architecture& architecture) {
  take_wrappers(found);
  take_prefix(found);
  split_fused(found, architecture);
}

}  // namespace anemll
