// Writes small GGUF files for tests, byte by byte: metadata in call order, tensors aligned.
#pragma once

#include "anemll/core/half.hpp"
#include "anemll/core/tensor.hpp"
#include "anemll/formats/gguf.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anemll::test {

class GgufWriter {
 public:
  explicit GgufWriter(std::uint32_t version = 3, std::uint32_t alignment = 32)
      : version_(version), alignment_(alignment) {}

  template <typename T>
  static void put(std::string& to, T value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  static void put_text(std::string& to, std::string_view text) {
    put<std::uint64_t>(to, text.size());
    to.append(text);
  }

  /// Any value: its type number and its bytes.
  GgufWriter& raw(std::string_view key, std::uint32_t type, std::string_view bytes) {
    put_text(keys_, key);
    put(keys_, type);
    keys_.append(bytes);
    ++key_count_;
    return *this;
  }
  template <typename T>
  GgufWriter& scalar(std::string_view key, std::uint32_t type, T value) {
    std::string bytes;
    put(bytes, value);
    return raw(key, type, bytes);
  }
  GgufWriter& u32(std::string_view key, std::uint32_t value) { return scalar(key, 4, value); }
  GgufWriter& f32(std::string_view key, float value) { return scalar(key, 6, value); }
  GgufWriter& boolean(std::string_view key, bool value) {
    return scalar<std::uint8_t>(key, 7, value ? 1 : 0);
  }
  GgufWriter& text(std::string_view key, std::string_view value) {
    std::string bytes;
    put_text(bytes, value);
    return raw(key, 8, bytes);
  }
  GgufWriter& texts(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes;
    put<std::uint32_t>(bytes, 8);
    put<std::uint64_t>(bytes, values.size());
    for (const std::string& value : values) put_text(bytes, value);
    return raw(key, 9, bytes);
  }
  GgufWriter& i32s(std::string_view key, const std::vector<std::int32_t>& values) {
    std::string bytes;
    put<std::uint32_t>(bytes, 5);
    put<std::uint64_t>(bytes, values.size());
    for (const std::int32_t value : values) put(bytes, value);
    return raw(key, 9, bytes);
  }

  /// `shape` in row-major order.
  GgufWriter& tensor(std::string_view name, std::uint32_t type, const std::vector<std::int64_t>& shape,
                     std::string_view bytes) {
    align(data_);
    directory(name, type, {shape.rbegin(), shape.rend()}, data_.size());
    data_.append(bytes);
    return *this;
  }
  /// A directory entry alone, with dimensions as the file has them.
  GgufWriter& directory(std::string_view name, std::uint32_t type,
                        const std::vector<std::int64_t>& dimensions, std::uint64_t offset) {
    put_text(tensors_, name);
    put(tensors_, static_cast<std::uint32_t>(dimensions.size()));
    for (const std::int64_t dimension : dimensions) put(tensors_, dimension);
    put(tensors_, type);
    put(tensors_, offset);
    ++tensor_count_;
    return *this;
  }
  /// F32, F16 or BF16 as they are.
  GgufWriter& plain(std::string_view name, const HostTensor& tensor) {
    const GgufType type = tensor.dtype == DType::f32   ? GgufType::f32
                          : tensor.dtype == DType::f16 ? GgufType::f16
                                                       : GgufType::bf16;
    return this->tensor(name, static_cast<std::uint32_t>(type), tensor.shape,
                        {reinterpret_cast<const char*>(tensor.data), tensor.bytes()});
  }
  GgufWriter& data(std::string_view bytes) {
    data_.append(bytes);
    return *this;
  }

  std::string bytes() const {
    std::string out = "GGUF";
    put(out, version_);
    put(out, tensor_count_);
    put(out, key_count_);
    out += keys_ + tensors_;
    align(out);
    return out + data_;
  }
  void write(const std::filesystem::path& path) const {
    const std::string all = bytes();
    std::ofstream(path, std::ios::binary).write(all.data(), static_cast<std::streamsize>(all.size()));
  }

 private:
  void align(std::string& text) const {
    text.resize((text.size() + alignment_ - 1) / alignment_ * alignment_);
  }

  std::uint32_t version_, alignment_;
  std::uint64_t key_count_ = 0, tensor_count_ = 0;
  std::string keys_, tensors_, data_;
};

/// F32 values as Q8_0 blocks of 32: a plain rounding, for tests that need a quantised tensor.
inline std::string as_q8_0(const float* values, std::size_t count) {
  std::string out;
  for (std::size_t block = 0; block < count; block += 32) {
    float largest = 0;
    for (std::size_t j = 0; j < 32; ++j) largest = std::max(largest, std::abs(values[block + j]));
    const std::uint16_t scale = float_to_half(largest / 127);
    GgufWriter::put(out, scale);
    for (std::size_t j = 0; j < 32; ++j) {
      const float d = half_to_float(scale);
      const float code = d == 0 ? 0 : std::clamp(std::nearbyint(values[block + j] / d), -127.0F, 127.0F);
      GgufWriter::put(out, static_cast<std::int8_t>(code));
    }
  }
  return out;
}

}  // namespace anemll::test
