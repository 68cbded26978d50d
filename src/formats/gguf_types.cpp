// The table of GGUF tensor types: names, block sizes, and which of them are read.
#include "anemll/core/error.hpp"
#include "anemll/formats/gguf.hpp"
#include "src/formats/internal/gguf_blocks.hpp"

#include <algorithm>
#include <array>
#include <cassert>

namespace anemll {
namespace {

using formats::BlockType;

template <typename Stored, float (*kWiden)(Stored)>
void plain(const std::uint8_t* from, std::size_t count, float* to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = kWiden(formats::load_at<Stored>(from + i * sizeof(Stored)));
}
float same(float value) {
  return value;
}
float narrowed(double value) {
  return static_cast<float>(value);
}

constexpr std::array kPlain{
    BlockType{GgufType::f32, "F32", {1, 4}, &plain<float, same>},
    BlockType{GgufType::f64, "F64", {1, 8}, &plain<double, narrowed>},
    BlockType{GgufType::f16, "F16", {1, 2}, &plain<std::uint16_t, half_to_float>},
    BlockType{GgufType::bf16, "BF16", {1, 2}, &plain<std::uint16_t, bfloat16_to_float>},
};

/// Types that files hold but nothing here reads: only for messages.
struct OtherType {
  std::uint32_t number;
  const char* name;
  const char* why;
};
constexpr const char* kWorking = "a form that llama.cpp makes while it computes";
constexpr const char* kRemoved = "a form that llama.cpp has removed";
constexpr const char* kInteger = "integers, which no weight of a language model is";
constexpr const char* kNew = "a form whose values the Python package gguf does not know either";
constexpr std::array kOther{
    OtherType{4, "Q4_2", kRemoved},        OtherType{5, "Q4_3", kRemoved},
    OtherType{9, "Q8_1", kWorking},        OtherType{15, "Q8_K", kWorking},
    OtherType{24, "I8", kInteger},         OtherType{25, "I16", kInteger},
    OtherType{26, "I32", kInteger},        OtherType{27, "I64", kInteger},
    OtherType{31, "Q4_0_4_4", kRemoved},   OtherType{32, "Q4_0_4_8", kRemoved},
    OtherType{33, "Q4_0_8_8", kRemoved},   OtherType{36, "IQ4_NL_4_4", kRemoved},
    OtherType{37, "IQ4_NL_4_8", kRemoved}, OtherType{38, "IQ4_NL_8_8", kRemoved},
    OtherType{41, "Q1_0", kNew},
};

const OtherType* find_other(std::uint32_t number) {
  const auto found = std::find_if(kOther.begin(), kOther.end(),
                                  [number](const OtherType& other) { return other.number == number; });
  return found == kOther.end() ? nullptr : &*found;
}

const BlockType* find(std::uint32_t number) {
  for (const std::span<const BlockType> table :
       {std::span<const BlockType>(kPlain), formats::small_block_types(), formats::super_block_types(),
        formats::grid_block_types()}) {
    for (const BlockType& row : table) {
      if (static_cast<std::uint32_t>(row.type) == number) return &row;
    }
  }
  return nullptr;
}

const BlockType& row(GgufType type) {
  const BlockType* found = find(static_cast<std::uint32_t>(type));
  assert(found != nullptr);
  return *found;
}

}  // namespace

std::optional<GgufType> known_gguf_type(std::uint32_t number) {
  const BlockType* found = find(number);
  return found != nullptr ? std::optional(found->type) : std::nullopt;
}

std::string name_of(GgufType type) {
  return row(type).name;
}

std::string gguf_type_name(std::uint32_t number) {
  if (const auto type = known_gguf_type(number)) return name_of(*type);
  const OtherType* other = find_other(number);
  return other != nullptr ? other->name : "number " + std::to_string(number);
}

GgufBlock block_of(GgufType type) {
  return row(type).block;
}

GgufType type_of(const GgufFile& file, const GgufTensor& tensor) {
  if (const auto type = known_gguf_type(tensor.type)) return *type;
  const OtherType* other = find_other(tensor.type);
  throw_data("tensor " + tensor.name + " has the type " + gguf_type_name(tensor.type) + ", " +
                 (other != nullptr ? other->why : "which is not known here"),
             file.path.string(),
             "get the model with another quantisation (hf download; Q8_0, Q4_K_M, IQ4_XS, F16), or make one "
             "with llama-quantize");
}

void dequantise_blocks(GgufType type, std::span<const std::byte> blocks, std::span<float> values) {
  const BlockType& known = row(type);
  const std::size_t count = blocks.size() / static_cast<std::size_t>(known.block.bytes);
  assert(count * static_cast<std::size_t>(known.block.bytes) == blocks.size());
  assert(count * static_cast<std::size_t>(known.block.values) == values.size());
  known.decode(reinterpret_cast<const std::uint8_t*>(blocks.data()), count, values.data());
}

HostTensor dequantise(const GgufFile& file, const GgufTensor& tensor) {
  const GgufType type = type_of(file, tensor);
  if (type != GgufType::f32 && type != GgufType::f16 && type != GgufType::bf16) {
    HostTensor out = HostTensor::zeros(DType::f32, tensor.shape);
    dequantise_blocks(type, tensor.data,
                      {reinterpret_cast<float*>(out.mutable_bytes()), static_cast<std::size_t>(out.numel())});
    return out;
  }
  HostTensor view;
  view.dtype = type == GgufType::f32 ? DType::f32 : type == GgufType::f16 ? DType::f16 : DType::bf16;
  view.shape = tensor.shape;
  view.strides = contiguous_strides(view.shape);
  view.data = tensor.data.data();
  view.owner = tensor.map;
  if (reinterpret_cast<std::uintptr_t>(view.data) % size_of(view.dtype) == 0) return view;
  HostTensor aligned = HostTensor::zeros(view.dtype, view.shape);
  std::memcpy(aligned.mutable_bytes(), view.data, view.bytes());
  return aligned;
}

}  // namespace anemll
