// The table of columns, and what follows from it for a shape.
#include "anemll/data/kd_columns.hpp"

#include <algorithm>
#include <string>

namespace anemll {
namespace {

constexpr auto L = &CacheShape::length;
constexpr auto S = &CacheShape::positions;
constexpr auto K = &CacheShape::topk;
constexpr auto R = &CacheShape::rand_neg;
constexpr auto H = &CacheShape::hidden;

constexpr std::size_t kShownDigits = 12;

constexpr PayloadRow kPayloads[] = {
    {Payload::tokens, "tokens", "tokens"},        {Payload::topk, "topk", "top-k logits"},
    {Payload::negatives, "", "random negatives"}, {Payload::lse, "lse", "logsumexp"},
    {Payload::hidden, "hidden", "hidden states"},
};

constexpr KdColumn kColumns[] = {
    {.name = kd::input_ids,
     .torch_name = kd::input_ids,
     .dtype = kd::input_ids.dtype,
     .sizes = {L},
     .payload = Payload::tokens,
     .presence = Presence::always,
     .content = Content::token_ids},
    {.name = kd::attention_mask,
     .torch_name = kd::attention_mask,
     .dtype = kd::attention_mask.dtype,
     .sizes = {L},
     .payload = Payload::tokens,
     .presence = Presence::always,
     .content = Content::mask,
     .fill = 1},  // attention over a missing row stays finite
    {.name = kd::topk_idx,
     .torch_name = kd::topk_idx,
     .dtype = kd::topk_idx.dtype,
     .sizes = {S, K},
     .payload = Payload::topk,
     .presence = Presence::sized,
     .content = Content::token_ids},
    {.name = kd::topk_logits,
     .torch_name = kd::topk_logits,
     .dtype = kd::topk_logits.dtype,
     .sizes = {S, K},
     .payload = Payload::topk,
     .presence = Presence::sized,
     .content = Content::descending_logits},
    {.name = kd::rand_idx,
     .torch_name = kd::rand_idx,
     .dtype = kd::rand_idx.dtype,
     .sizes = {S, R},
     .payload = Payload::negatives,
     .presence = Presence::sized,
     .content = Content::token_ids},
    {.name = kd::rand_logits,
     .torch_name = kd::rand_logits,
     .dtype = kd::rand_logits.dtype,
     .sizes = {S, R},
     .payload = Payload::negatives,
     .presence = Presence::sized},
    {.name = kd::lse_t1, .dtype = kd::lse_t1.dtype, .sizes = {S}, .payload = Payload::lse},
    {.name = kd::lse_train,
     .dtype = kd::lse_train.dtype,
     .sizes = {S},
     .payload = Payload::lse,
     .attribute = {"temperature", " at T ", &CacheShape::lse_train_temperature}},
    {.name = kd::hidden,
     .dtype = kd::hidden.dtype,
     .sizes = {S, H},
     .payload = Payload::hidden,
     .presence = Presence::sized,
     .attribute = {"head_sha256", " of head ", &CacheShape::head_sha256}},
};

}  // namespace

std::span<const PayloadRow> kd_payloads() {
  return kPayloads;
}

ColumnTable kd_columns() {
  return {std::begin(kColumns), std::end(kColumns)};
}

const KdColumn* ColumnTable::find(std::string_view name) const {
  const KdColumn* found = std::find_if(begin(), end(), [&](const KdColumn& c) { return c.name == name; });
  return found == end() ? nullptr : found;
}

bool CacheShape::has(const KdColumn& column) const {
  switch (column.presence) {
    case Presence::always:
      return true;
    case Presence::sized:
      return std::all_of(column.sizes.begin(), column.sizes.end(),
                         [&](auto size) { return size == nullptr || this->*size > 0; });
    case Presence::listed:
      break;
  }
  return listed.contains(column.name);
}

bool CacheShape::has(std::string_view column) const {
  const KdColumn* found = columns.find(column);
  return found != nullptr && has(*found);
}

PayloadSet CacheShape::payloads() const {
  PayloadSet payloads;
  for (const KdColumn& column : columns) {
    if (has(column)) payloads.add(column.payload);
  }
  return payloads;
}

void CacheShape::list(Payload payload) {
  for (const KdColumn& column : columns) {
    if (column.payload == payload && column.presence == Presence::listed) listed.insert(column.name);
  }
}

std::string CacheShape::describe() const {
  std::string result = "L " + std::to_string(length) + ", S " + std::to_string(positions) + ", K " +
                       std::to_string(topk) + ", R " + std::to_string(rand_neg) + ", vocabulary " +
                       std::to_string(vocab_size);
  for (const KdColumn& column : columns) {
    if (!column.in_index() || !has(column)) continue;
    result += ", ";
    result += column.name;
    if (column.presence == Presence::sized) result += ' ' + std::to_string(this->*column.sizes[1]);
    result += column.attribute.words;
    if (const auto* number = std::get_if<double CacheShape::*>(&column.attribute.value))
      result += std::to_string(this->**number);
    if (const auto* text = std::get_if<std::string CacheShape::*>(&column.attribute.value))
      result += (this->**text).substr(0, kShownDigits);
  }
  return result;
}

}  // namespace anemll
