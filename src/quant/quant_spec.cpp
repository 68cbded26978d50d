// The short form of a specification, and what does not fit it.
#include "anemll/quant/quant_spec.hpp"

#include "anemll/core/error.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <utility>

namespace anemll {
namespace {

constexpr std::size_t kNamed = 3;  // exceptions that a line for people spells out

std::string numbers(std::int64_t lut_size, std::int64_t rank) {
  if (lut_size == 0) return "float";
  const std::string entries = std::to_string(lut_size) + " entries ";
  return rank == 0 ? entries + "full scales" : entries + "rank " + std::to_string(rank);
}

/// Table size and rank of most linears of one kind; of several that are equally frequent the smallest.
std::pair<std::int64_t, std::int64_t> most_frequent(const std::vector<QuantSpec::Entry>& entries, bool mlp) {
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> votes;
  for (const QuantSpec::Entry& entry : entries) {
    if (entry.mlp == mlp) ++votes[{entry.quant.lut_size, entry.quant.rank}];
  }
  if (votes.empty()) return {0, 0};
  return std::max_element(votes.begin(), votes.end(),
                          [](const auto& x, const auto& y) { return x.second < y.second; })
      ->first;
}

// By LayerLinear, as they are named in layers and in texts.
struct Kind {
  std::string_view module, word;
};
constexpr std::array<Kind, kLayerLinears> kKinds = {{{"q_proj", "q"},
                                                     {"k_proj", "k"},
                                                     {"v_proj", "v"},
                                                     {"o_proj", "o"},
                                                     {"gate_proj", "gate"},
                                                     {"up_proj", "up"},
                                                     {"down_proj", "down"}}};

}  // namespace

std::int64_t bits_of(std::int64_t lut_size) {
  return lut_size < 2 ? 0
                      : static_cast<std::int64_t>(std::bit_width(static_cast<std::uint64_t>(lut_size - 1)));
}

LinearQuant float_linear() {
  LinearQuant quant;
  quant.type = "float";
  quant.lut_size = 0;
  quant.rank = 0;
  return quant;
}

std::string LinearQuant::describe() const {
  return numbers(lut_size, rank);
}

std::optional<LayerLinear> kind_of_linear(std::string_view linear) {
  const std::string_view module = linear.substr(linear.rfind('.') + 1);
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    if (kKinds[i].module == module) return static_cast<LayerLinear>(i);
  }
  return std::nullopt;
}

LinearNumbers QuantScheme::of(std::string_view linear, bool mlp) const {
  const std::optional<LayerLinear> kind = kind_of_linear(linear);
  if (kind && kinds[static_cast<std::size_t>(*kind)]) return *kinds[static_cast<std::size_t>(*kind)];
  return mlp ? LinearNumbers{mlp_lut, mlp_rank} : LinearNumbers{attn_lut, attn_rank};
}

std::string QuantScheme::describe() const {
  std::string text = "MLP " + numbers(mlp_lut, mlp_rank) + ", attention " + numbers(attn_lut, attn_rank);
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i])
      text.append(", ").append(kKinds[i].word).append(" ").append(numbers(kinds[i]->lut, kinds[i]->rank));
  }
  return text;
}

QuantSpec::QuantSpec(std::span<const LinearSpec> linears, const QuantScheme& scheme,
                     std::int64_t group_size) {
  for (const LinearSpec& linear : linears) {
    LinearQuant quant;
    const LinearNumbers numbers = scheme.of(linear.name, linear.mlp);
    quant.lut_size = numbers.lut;
    quant.rank = numbers.rank;
    quant.group_size = group_size;
    entries_.push_back({linear.name, linear.mlp, std::move(quant)});
  }
}

const LinearQuant& QuantSpec::of(const std::string& linear) const {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.linear == linear; });
  if (found == entries_.end())
    throw_usage("there is no such linear to quantise", linear, "names are those of the model's state dict");
  return found->quant;
}

QuantScheme QuantSpec::usual() const {
  const auto mlp = most_frequent(entries_, true);
  const auto attention = most_frequent(entries_, false);
  return {mlp.first, mlp.second, attention.first, attention.second, {}};
}

std::vector<QuantSpec::Entry> QuantSpec::exceptions() const {
  const QuantScheme scheme = usual();
  std::vector<Entry> out;
  for (const Entry& entry : entries_) {
    const LinearNumbers common = scheme.of(entry.linear, entry.mlp);
    if (entry.quant.lut_size != common.lut || entry.quant.rank != common.rank) out.push_back(entry);
  }
  return out;
}

std::int64_t QuantSpec::group_size() const {
  if (entries_.empty()) return LinearQuant().group_size;
  const auto mlp = std::find_if(entries_.begin(), entries_.end(), [](const Entry& e) { return e.mlp; });
  return (mlp == entries_.end() ? entries_.front() : *mlp).quant.group_size;
}

std::int64_t QuantSpec::attn_group_size() const {
  const auto attention = std::find_if(entries_.begin(), entries_.end(),
                                      [](const Entry& e) { return !e.mlp && e.quant.lut_size > 0; });
  return attention == entries_.end() ? group_size() : attention->quant.group_size;
}

bool QuantSpec::force_positive_scales() const {
  return !entries_.empty() && entries_.front().quant.force_positive_scales;
}

std::string QuantSpec::describe() const {
  std::string text = usual().describe();
  const std::vector<Entry> others = exceptions();
  if (others.empty()) return text;
  text.append("; ").append(std::to_string(others.size())).append(" of ");
  text.append(std::to_string(entries_.size())).append(" linears differ: ");
  for (std::size_t i = 0; i < std::min(others.size(), kNamed); ++i)
    text.append(i == 0 ? "" : ", ").append(others[i].linear).append(" ").append(others[i].quant.describe());
  return others.size() > kNamed ? text + ", ..." : text;
}

}  // namespace anemll
