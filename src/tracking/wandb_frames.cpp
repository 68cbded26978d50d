#include "src/tracking/internal/wandb_frames.hpp"

#include "src/tracking/internal/wire.hpp"

#include <algorithm>

#include <boost/crc.hpp>

namespace anemll {
namespace {

constexpr std::uint64_t kBlock = 32768;  // counted from the start of the file, its header included
constexpr std::uint64_t kPieceHeader = 7;

/// What a piece is of its record.
enum Piece : char { whole = 1, first = 2, middle = 3, last = 4 };

std::uint32_t crc32_of(char type, std::string_view data) {
  boost::crc_32_type crc;
  crc.process_byte(static_cast<unsigned char>(type));
  crc.process_bytes(data.data(), data.size());
  return crc.checksum();
}

}  // namespace

std::string wandb_header() {
  constexpr std::uint16_t kMagic = 0xBEE1;
  constexpr char kVersion = 0;
  return ":W&B" + little_endian(kMagic, 2) + kVersion;
}

std::string wandb_frames(std::string_view record, std::uint64_t offset) {
  std::string out;
  bool begun = false;
  do {
    std::uint64_t room = kBlock - (offset + out.size()) % kBlock;
    if (room < kPieceHeader) {
      out.append(room, '\0');
      room = kBlock;
    }
    const std::string_view data =
        record.substr(0, std::min<std::uint64_t>(record.size(), room - kPieceHeader));
    record.remove_prefix(data.size());
    const char type = record.empty() ? (begun ? last : whole) : (begun ? middle : first);
    out += little_endian(crc32_of(type, data), 4);
    out += little_endian(data.size(), 2);
    out += type;
    out += data;
    begun = true;
  } while (!record.empty());
  return out;
}

}  // namespace anemll
