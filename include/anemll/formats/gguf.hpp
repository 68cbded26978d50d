// GGUF model files (versions 2 and 3, little-endian): metadata, tensor directory, and the block types'
// values. A reader trusts nothing: every count, length and offset is held against the file.
#pragma once

#include "anemll/core/file.hpp"
#include "anemll/core/tensor.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace anemll {

/// Type numbers of the GGUF format. Others are refused when a tensor that is asked for has them.
enum class GgufType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq2_xxs = 16,
  iq2_xs = 17,
  iq3_xxs = 18,
  iq1_s = 19,
  iq4_nl = 20,
  iq3_s = 21,
  iq2_s = 22,
  iq4_xs = 23,
  f64 = 28,
  iq1_m = 29,
  bf16 = 30,
  tq1_0 = 34,
  tq2_0 = 35,
  mxfp4 = 39,
  nvfp4 = 40,
};

struct GgufTensor {
  std::string name;
  std::uint32_t type = 0;           ///< as stored; GgufType when known
  std::vector<std::int64_t> shape;  ///< row-major order: the last one is contiguous
  std::span<const std::byte> data;  ///< a view of the map; of unknown types, up to the next tensor
  std::shared_ptr<const MappedFile> map;
};

/// Integers are widened, floats too. Truth values inside arrays are 0 and 1.
using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string,
                               std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>>;

struct GgufFile {
  std::filesystem::path path;                               ///< of a split model the first part
  std::vector<std::pair<std::string, GgufValue>> metadata;  ///< file order, unique keys
  std::vector<GgufTensor> tensors;                          ///< file order, unique names
  std::vector<std::shared_ptr<const MappedFile>> maps;      ///< one, or one for each part

  const GgufValue* find(std::string_view key) const;
  const GgufTensor* tensor(std::string_view name) const;
};

/// By name (*.gguf, whether it exists or not) or, for files of other names, by the first bytes.
bool is_gguf(const std::filesystem::path& path);
/// Of a model split over files (-00001-of-00003.gguf) the path of the first part; the others must lie beside
/// it. Data errors name the file, the key or tensor, and the fault.
GgufFile read_gguf(const std::filesystem::path& path);

/// Nothing for type numbers that are not listed above.
std::optional<GgufType> known_gguf_type(std::uint32_t number);
/// The format's own name: "Q4_1".
std::string name_of(GgufType type);
/// What a type number is called, also for types that are not read.
std::string gguf_type_name(std::uint32_t number);

/// So many values share so many bytes; {1, n} for the plain types.
struct GgufBlock {
  std::int64_t values = 1;
  std::int64_t bytes = 4;
};
GgufBlock block_of(GgufType type);

/// The known type of a tensor; a data error with a remedy for others.
GgufType type_of(const GgufFile& file, const GgufTensor& tensor);
/// The values of whole blocks; `values` must be as long as `blocks` say. Any thread.
void dequantise_blocks(GgufType type, std::span<const std::byte> blocks, std::span<float> values);
/// The values of a tensor as contiguous F32; F32, F16 and BF16 tensors stay views of the map.
HostTensor dequantise(const GgufFile& file, const GgufTensor& tensor);

}  // namespace anemll
