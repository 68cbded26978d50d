// Protocol Buffers' wire format, written only: the few messages of the logs, field by field.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace anemll {

/// One message. Fields appear in the order of the calls.
class WireMessage {
 public:
  WireMessage& integer(int field, std::int64_t value);  ///< int32, int64, bool, enum; 0 is absence
  WireMessage& number(int field, double value);         ///< double
  WireMessage& single(int field, float value);          ///< float
  WireMessage& text(int field, std::string_view bytes);
  WireMessage& message(int field, const WireMessage& inner) { return text(field, inner.bytes()); }

  const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value);
  void tag(int field, unsigned type);
  std::string bytes_;
};

/// The `count` lowest bytes of `value`, the lowest first.
std::string little_endian(std::uint64_t value, int count);

}  // namespace anemll
