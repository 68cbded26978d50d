// GGUF reading: header, metadata and tensor directory, each held against the bytes that are really there.
#include "anemll/core/error.hpp"
#include "anemll/formats/gguf.hpp"
#include "src/core/content_kind.hpp"
#include "src/formats/internal/byte_reader.hpp"
#include "src/formats/internal/gguf_part.hpp"
#include "src/formats/internal/limits.hpp"
#include "src/formats/shown.hpp"
#include "src/formats/utf8.hpp"

#include <algorithm>
#include <bit>
#include <fstream>
#include <limits>
#include <numeric>
#include <unordered_set>
#include <utility>

namespace anemll {
namespace {

using formats::ByteReader;
using formats::Complaint;

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kMinKeyBytes = 8 + 4 + 1;         // length, type, the shortest value
constexpr std::uint64_t kMinTensorBytes = 8 + 4 + 4 + 8;  // length, rank, type, offset
constexpr std::int64_t kMaxInteger = std::numeric_limits<std::int64_t>::max();

/// Value types of the metadata, by their numbers.
enum class ValueType : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64
};
constexpr std::uint32_t kValueTypes = 13;

/// Bytes that one array element takes at least.
std::uint64_t smallest(ValueType type) {
  switch (type) {
    case ValueType::u8:
    case ValueType::i8:
    case ValueType::boolean:
      return 1;
    case ValueType::u16:
    case ValueType::i16:
      return 2;
    case ValueType::u32:
    case ValueType::i32:
    case ValueType::f32:
      return 4;
    default:
      return 8;
  }
}

class HeaderReader {
 public:
  HeaderReader(std::span<const std::byte> bytes, const Complaint& complain)
      : reader_(bytes, complain, "GGUF header"), complain_(complain) {}

  /// Fills metadata and the directory; the tensors' data spans follow later.
  void read(GgufFile& file, std::vector<std::uint64_t>& offsets) {
    check_version();
    const auto tensors = reader_.read<std::uint64_t>();
    const auto keys = reader_.read<std::uint64_t>();
    bound("metadata keys", keys, formats::kMaxGgufKeys, kMinKeyBytes);
    bound("tensors", tensors, formats::kMaxTensors, kMinTensorBytes);
    read_metadata(file, keys);
    read_directory(file, tensors, offsets);
  }
  std::uint64_t position() const { return reader_.position(); }

 private:
  void check_version() {
    if (reader_.remaining() < kMagic.size() || reader_.text(kMagic.size()) != kMagic) {
      complain_("not a GGUF file: it does not begin with \"GGUF\"",
                "check the path: head -c 64 shows what begins the file");
    }
    const auto version = reader_.read<std::uint32_t>();
    if (version == 2 || version == 3) return;
    if (version != 0 && (version & 0xffffU) == 0) {
      complain_("the file is big-endian",
                "use the little-endian file (hf download), or convert it (gguf_convert_endian)");
    }
    complain_("GGUF version " + std::to_string(version) + " is not read",
              "versions 2 and 3 are; convert the original model again with convert_hf_to_gguf.py of "
              "llama.cpp, or give it as ORG/NAME");
  }

  void bound(const std::string& what, std::uint64_t count, std::uint64_t most, std::uint64_t bytes_each) {
    if (count > most || count > reader_.remaining() / bytes_each) {
      complain_("the header claims " + std::to_string(count) + " " + what + ", more than " +
                (count > most ? "are allowed" : "the file can hold"));
    }
  }

  std::string name(const char* what) {
    const auto length = reader_.read<std::uint64_t>();
    if (length > formats::kMaxGgufName) {
      complain_(std::string("a ") + what + " claims " + std::to_string(length) + " bytes");
    }
    const std::string_view text = reader_.text(length);
    if (!formats::is_utf8(text)) complain_(std::string("a ") + what + " is not UTF-8");
    return std::string(text);
  }

  ValueType value_type(const std::string& key) {
    const auto number = reader_.read<std::uint32_t>();
    if (number >= kValueTypes) {
      complain_("metadata " + key + " has the unknown value type " + std::to_string(number));
    }
    return static_cast<ValueType>(number);
  }

  bool truth(const std::string& key) {
    const auto byte = reader_.read<std::uint8_t>();
    if (byte > 1) complain_("metadata " + key + " is neither true nor false, but " + std::to_string(byte));
    return byte == 1;
  }

  std::string text() { return std::string(reader_.text(reader_.read<std::uint64_t>())); }

  std::int64_t integer(ValueType type, const std::string& key) {
    switch (type) {
      case ValueType::u8:
        return reader_.read<std::uint8_t>();
      case ValueType::i8:
        return reader_.read<std::int8_t>();
      case ValueType::u16:
        return reader_.read<std::uint16_t>();
      case ValueType::i16:
        return reader_.read<std::int16_t>();
      case ValueType::u32:
        return reader_.read<std::uint32_t>();
      case ValueType::i32:
        return reader_.read<std::int32_t>();
      case ValueType::boolean:
        return truth(key) ? 1 : 0;
      case ValueType::i64:
        return reader_.read<std::int64_t>();
      default: {
        const auto value = reader_.read<std::uint64_t>();
        if (value > static_cast<std::uint64_t>(kMaxInteger)) {
          complain_("metadata " + key + " holds the number " + std::to_string(value) +
                    ", which is too large");
        }
        return static_cast<std::int64_t>(value);
      }
    }
  }

  double real(ValueType type) {
    return type == ValueType::f32 ? static_cast<double>(reader_.read<float>()) : reader_.read<double>();
  }

  GgufValue array(const std::string& key) {
    const ValueType type = value_type(key);
    if (type == ValueType::array) complain_("metadata " + key + " is an array of arrays, which is not read");
    const auto count = reader_.read<std::uint64_t>();
    if (count > reader_.remaining() / smallest(type)) {
      complain_("metadata " + key + " claims " + std::to_string(count) +
                " elements, more than the file can hold");
    }
    elements_ += count;
    if (elements_ > formats::kMaxGgufElements) {
      complain_("metadata " + key + ": the arrays together hold more than " +
                std::to_string(formats::kMaxGgufElements) + " elements");
    }
    const auto collect = [count](auto list, auto&& next) -> GgufValue {
      list.reserve(static_cast<std::size_t>(count));
      for (std::uint64_t i = 0; i < count; ++i) list.push_back(next());
      return list;
    };
    switch (type) {
      case ValueType::string:
        return collect(std::vector<std::string>(), [this] { return text(); });
      case ValueType::f32:
      case ValueType::f64:
        return collect(std::vector<double>(), [this, type] { return real(type); });
      default:
        return collect(std::vector<std::int64_t>(), [&] { return integer(type, key); });
    }
  }

  GgufValue value(const std::string& key) {
    const ValueType type = value_type(key);
    switch (type) {
      case ValueType::u8:
      case ValueType::u16:
      case ValueType::u32:
        return static_cast<std::uint64_t>(integer(type, key));
      case ValueType::u64:
        return reader_.read<std::uint64_t>();
      case ValueType::f32:
      case ValueType::f64:
        return real(type);
      case ValueType::boolean:
        return truth(key);
      case ValueType::string:
        return text();
      case ValueType::array:
        return array(key);
      default:
        return integer(type, key);
    }
  }

  void read_metadata(GgufFile& file, std::uint64_t keys) {
    std::unordered_set<std::string> seen;
    for (std::uint64_t i = 0; i < keys; ++i) {
      std::string key = name("metadata key");
      if (!seen.insert(key).second) complain_("metadata " + key + " is there twice");
      GgufValue content = value(key);
      file.metadata.emplace_back(std::move(key), std::move(content));
    }
  }

  void read_directory(GgufFile& file, std::uint64_t tensors, std::vector<std::uint64_t>& offsets) {
    std::unordered_set<std::string> seen;
    for (std::uint64_t i = 0; i < tensors; ++i) {
      GgufTensor tensor;
      tensor.name = name("tensor name");
      if (!seen.insert(tensor.name).second) complain_("tensor " + tensor.name + " is there twice");
      const auto rank = reader_.read<std::uint32_t>();
      if (rank > formats::kMaxGgufRank) {
        complain_("tensor " + tensor.name + " has " + std::to_string(rank) + " dimensions, at most " +
                  std::to_string(formats::kMaxGgufRank) + " are allowed");
      }
      for (std::uint32_t d = 0; d < rank; ++d) {
        const auto dimension = reader_.read<std::uint64_t>();
        if (dimension > static_cast<std::uint64_t>(kMaxInteger)) {
          complain_("the shape of tensor " + tensor.name + " overflows with " + std::to_string(dimension));
        }
        tensor.shape.push_back(static_cast<std::int64_t>(dimension));
      }
      std::reverse(tensor.shape.begin(), tensor.shape.end());  // the file counts from the contiguous one
      tensor.type = reader_.read<std::uint32_t>();
      offsets.push_back(reader_.read<std::uint64_t>());
      file.tensors.push_back(std::move(tensor));
    }
  }

  ByteReader reader_;
  const Complaint& complain_;
  std::uint64_t elements_ = 0;
};

std::uint64_t alignment_of(const GgufFile& file, const Complaint& complain) {
  const GgufValue* value = file.find("general.alignment");
  if (value == nullptr) return kDefaultAlignment;
  const auto* number = std::get_if<std::uint64_t>(value);
  // The format stores 32 bits; with more, the sums below could wrap.
  if (number == nullptr || !std::has_single_bit(*number) ||
      *number > std::numeric_limits<std::uint32_t>::max()) {
    complain("general.alignment is " + (number == nullptr ? "no unsigned number" : std::to_string(*number)) +
             ", not a power of two below 2^32");
  }
  return *number;
}

/// Bytes that type and shape imply; nothing for types that are not known.
std::optional<std::uint64_t> bytes_of(const GgufTensor& tensor, const Complaint& complain) {
  const auto overflow = [&] {
    complain("the shape of tensor " + tensor.name + " overflows: " + shown_shape(tensor.shape));
  };
  std::int64_t values = 1;
  bool empty = false;
  for (const std::int64_t dimension : tensor.shape) {
    // Dimensions of zero are left out of the product: it bounds every partial product of the others.
    if (!formats::checked_multiply(values, std::max<std::int64_t>(dimension, 1), values)) {
      overflow();
    }
    empty = empty || dimension == 0;
  }
  const auto type = known_gguf_type(tensor.type);
  if (!type) return std::nullopt;
  const GgufBlock block = block_of(*type);
  const std::int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (row % block.values != 0) {
    complain("tensor " + tensor.name + " has rows of " + std::to_string(row) + " values, which " +
             name_of(*type) + " blocks of " + std::to_string(block.values) + " do not divide");
  }
  std::int64_t bytes = 0;
  if (!formats::checked_multiply(values / block.values, block.bytes, bytes)) {
    overflow();
  }
  return empty ? 0 : static_cast<std::uint64_t>(bytes);
}

/// Gives every tensor its bytes; they may leave gaps but neither overlap nor leave the file.
void place_tensors(GgufFile& file, const std::vector<std::uint64_t>& offsets, std::uint64_t header_bytes,
                   const Complaint& complain) {
  const std::uint64_t alignment = alignment_of(file, complain);
  const std::span<const std::byte> bytes = file.maps.front()->bytes();
  const std::uint64_t start = (header_bytes + alignment - 1) / alignment * alignment;
  const std::span<const std::byte> data =
      start < bytes.size() ? bytes.subspan(static_cast<std::size_t>(start)) : bytes.last(0);

  std::vector<std::optional<std::uint64_t>> sizes;
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    const GgufTensor& tensor = file.tensors[i];
    sizes.push_back(bytes_of(tensor, complain));
    if (offsets[i] % alignment != 0) {
      complain("tensor " + tensor.name + " begins at " + std::to_string(offsets[i]) +
               ", not a multiple of the alignment " + std::to_string(alignment));
    }
    const std::uint64_t needed = sizes[i].value_or(0);
    if (offsets[i] > data.size() || needed > data.size() - offsets[i]) {
      complain("tensor " + tensor.name + " reaches beyond the end of the file: " + std::to_string(needed) +
                   " bytes at " + std::to_string(offsets[i]) + " of " + std::to_string(data.size()),
               "the download is incomplete or the file damaged; " + fetch_advice(file.path));
    }
  }
  std::vector<std::size_t> order(file.tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return offsets[a] != offsets[b] ? offsets[a] < offsets[b] : sizes[a].value_or(0) < sizes[b].value_or(0);
  });
  for (std::size_t k = 0; k < order.size(); ++k) {
    const std::size_t i = order[k];
    const std::uint64_t next = k + 1 < order.size() ? offsets[order[k + 1]] : data.size();
    const std::uint64_t size = sizes[i].value_or(next - offsets[i]);
    if (size > next - offsets[i]) {
      complain("tensors " + file.tensors[i].name + " and " + file.tensors[order[k + 1]].name +
               " overlap: " + std::to_string(size) + " bytes at " + std::to_string(offsets[i]) +
               ", the next at " + std::to_string(next));
    }
    file.tensors[i].map = file.maps.front();
    file.tensors[i].data = data.subspan(static_cast<std::size_t>(offsets[i]), static_cast<std::size_t>(size));
  }
}

}  // namespace

const GgufValue* GgufFile::find(std::string_view key) const {
  for (const auto& [name, value] : metadata) {
    if (name == key) return &value;
  }
  return nullptr;
}

const GgufTensor* GgufFile::tensor(std::string_view name) const {
  for (const GgufTensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

bool is_gguf(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return false;
  if (path.extension() == ".gguf") return true;  // what else it may be is the reader's to say
  return std::filesystem::is_regular_file(path, ignored) && content_kind(path) == ContentKind::gguf;
}

GgufFile formats::read_gguf_part(const std::filesystem::path& path) {
  const Complaint complain(path, "the file is damaged, incomplete or not GGUF; " + fetch_advice(path));
  GgufFile file;
  file.path = path;
  file.maps = {MappedFile::open(path)};
  require_content(path, file.maps.front()->bytes(), {ContentKind::gguf}, "a GGUF file");
  HeaderReader header(file.maps.front()->bytes(), complain);
  std::vector<std::uint64_t> offsets;
  header.read(file, offsets);
  place_tensors(file, offsets, header.position(), complain);
  return file;
}

}  // namespace anemll
