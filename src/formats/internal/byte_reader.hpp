// Bounded little-endian reading for the readers of this room. Every step past the end of the bytes is a
// data error that names the file; no caller needs a length check of its own for that.
#pragma once

#include "anemll/core/error.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace anemll::formats {

// Payloads are handed out as they lie in the file, and all three formats are little-endian.
static_assert(std::endian::native == std::endian::little, "big-endian hosts are not supported");

/// Turns a finding about one file into a data error with the file's name and a remedy.
class Complaint {
 public:
  Complaint(const std::filesystem::path& file, std::string hint)
      : file_(file.string()), hint_(std::move(hint)) {}

  [[noreturn]] void operator()(const std::string& what) const { throw_data(what, file_, hint_); }
  [[noreturn]] void operator()(const std::string& what, const std::string& hint) const {
    throw_data(what, file_, hint);
  }

 private:
  std::string file_;
  std::string hint_;
};

/// a * b, a + b in 64 bits; false when the result does not fit.
inline bool checked_multiply(std::int64_t a, std::int64_t b, std::int64_t& out) {
  return !__builtin_mul_overflow(a, b, &out);
}
inline bool checked_add(std::int64_t a, std::int64_t b, std::int64_t& out) {
  return !__builtin_add_overflow(a, b, &out);
}

class ByteReader {
 public:
  /// `what` names the structure in the message of a short read, for example "pickle".
  ByteReader(std::span<const std::byte> bytes, const Complaint& complain, std::string_view what)
      : bytes_(bytes), complain_(complain), what_(what) {}

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

  std::span<const std::byte> take(std::uint64_t count) {
    if (count > remaining()) {
      complain_("the " + std::string(what_) + " is cut off: " + std::to_string(count) + " bytes wanted, " +
                std::to_string(remaining()) + " left");
    }
    const auto part = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += part.size();
    return part;
  }
  void skip(std::uint64_t count) { take(count); }

  template <typename T>
  T read() {
    static_assert(std::is_arithmetic_v<T>);
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::string_view text(std::uint64_t count) {
    const auto part = take(count);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

 private:
  std::span<const std::byte> bytes_;
  const Complaint& complain_;
  std::string_view what_;
  std::size_t position_ = 0;
};

}  // namespace anemll::formats
