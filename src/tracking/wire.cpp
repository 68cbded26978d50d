#include "src/tracking/internal/wire.hpp"

#include <bit>

namespace anemll {
namespace {

constexpr unsigned kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5;
constexpr int kByteBits = 8;

}  // namespace

std::string little_endian(std::uint64_t value, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> (kByteBits * i));
  return bytes;
}

void WireMessage::varint(std::uint64_t value) {
  constexpr std::uint64_t kMore = 0x80;
  for (; value >= kMore; value >>= 7) bytes_ += static_cast<char>(value | kMore);
  bytes_ += static_cast<char>(value);
}

void WireMessage::tag(int field, unsigned type) {
  varint(static_cast<std::uint64_t>(field) << 3 | type);
}

WireMessage& WireMessage::integer(int field, std::int64_t value) {
  if (value == 0) return *this;
  tag(field, kVarint);
  varint(static_cast<std::uint64_t>(value));
  return *this;
}

WireMessage& WireMessage::number(int field, double value) {
  tag(field, kFixed64);
  bytes_ += little_endian(std::bit_cast<std::uint64_t>(value), sizeof(double));
  return *this;
}

WireMessage& WireMessage::single(int field, float value) {
  tag(field, kFixed32);
  bytes_ += little_endian(std::bit_cast<std::uint32_t>(value), sizeof(float));
  return *this;
}

WireMessage& WireMessage::text(int field, std::string_view bytes) {
  tag(field, kLengthDelimited);
  varint(bytes.size());
  bytes_ += bytes;
  return *this;
}

}  // namespace anemll
