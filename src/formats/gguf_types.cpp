// The table of GGUF tensor types: names, block sizes, and which of them are read.
#include "anemll/core/error.hpp"
#include "anemll/formats/gguf.hpp"

#include <algorithm>
#include <array>

namespace anemll {
namespace {

struct KnownType {
  GgufType type;
  const char* name;
  GgufBlock block;
};
constexpr std::array kKnown{
    KnownType{GgufType::f32, "F32", {1, 4}},       KnownType{GgufType::f16, "F16", {1, 2}},
    KnownType{GgufType::bf16, "BF16", {1, 2}},     KnownType{GgufType::q4_0, "Q4_0", {32, 18}},
    KnownType{GgufType::q4_1, "Q4_1", {32, 20}},   KnownType{GgufType::q5_0, "Q5_0", {32, 22}},
    KnownType{GgufType::q5_1, "Q5_1", {32, 24}},   KnownType{GgufType::q8_0, "Q8_0", {32, 34}},
    KnownType{GgufType::q2_k, "Q2_K", {256, 84}},  KnownType{GgufType::q3_k, "Q3_K", {256, 110}},
    KnownType{GgufType::q4_k, "Q4_K", {256, 144}}, KnownType{GgufType::q5_k, "Q5_K", {256, 176}},
    KnownType{GgufType::q6_k, "Q6_K", {256, 210}},
};

/// Types that files hold but nothing here reads: only for messages.
struct OtherType {
  std::uint32_t number;
  const char* name;
};
constexpr std::array kOther{
    OtherType{9, "Q8_1"},     OtherType{15, "Q8_K"},   OtherType{16, "IQ2_XXS"}, OtherType{17, "IQ2_XS"},
    OtherType{18, "IQ3_XXS"}, OtherType{19, "IQ1_S"},  OtherType{20, "IQ4_NL"},  OtherType{21, "IQ3_S"},
    OtherType{22, "IQ2_S"},   OtherType{23, "IQ4_XS"}, OtherType{24, "I8"},      OtherType{25, "I16"},
    OtherType{26, "I32"},     OtherType{27, "I64"},    OtherType{28, "F64"},     OtherType{29, "IQ1_M"},
    OtherType{34, "TQ1_0"},   OtherType{35, "TQ2_0"},  OtherType{39, "MXFP4"},   OtherType{40, "NVFP4"},
};

const KnownType& row(GgufType type) {
  return *std::find_if(kKnown.begin(), kKnown.end(), [type](const KnownType& k) { return k.type == type; });
}

}  // namespace

std::optional<GgufType> known_gguf_type(std::uint32_t number) {
  for (const KnownType& known : kKnown) {
    if (static_cast<std::uint32_t>(known.type) == number) return known.type;
  }
  return std::nullopt;
}

std::string name_of(GgufType type) {
  return row(type).name;
}

std::string gguf_type_name(std::uint32_t number) {
  if (const auto type = known_gguf_type(number)) return name_of(*type);
  for (const OtherType& other : kOther) {
    if (other.number == number) return other.name;
  }
  return "number " + std::to_string(number);
}

GgufBlock block_of(GgufType type) {
  return row(type).block;
}

GgufType type_of(const GgufFile& file, const GgufTensor& tensor) {
  if (const auto type = known_gguf_type(tensor.type)) return *type;
  throw_data("tensor " + tensor.name + " has the type " + gguf_type_name(tensor.type) + ", which is not read",
             file.path.string(),
             "use a file with F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 or Q2_K to Q6_K weights");
}

}  // namespace anemll
