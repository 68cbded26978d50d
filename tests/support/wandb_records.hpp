// The records of a .wandb file, by a reader that knows the framing alone and checks it.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/crc.hpp>

namespace anemll::test {

inline std::vector<std::string> wandb_records(const std::string& bytes) {
  constexpr std::size_t kFileHeader = 7, kBlock = 32768, kHeader = 7;
  std::vector<std::string> records;
  std::string open;
  bool is_open = false;
  const auto little = [&](std::size_t at, std::size_t count) {
    std::size_t value = 0;
    for (std::size_t i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes.at(at + i));
    return value;
  };
  const auto require = [](bool holds, const char* what) {
    if (!holds) throw std::runtime_error(what);
  };
  for (std::size_t at = kFileHeader; at < bytes.size();) {
    const std::size_t room = kBlock - at % kBlock;
    if (room < kHeader) {
      at += room;
      continue;
    }
    const std::size_t size = little(at + 4, 2);
    const char type = bytes.at(at + 6);
    require(kHeader + size <= room && at + kHeader + size <= bytes.size(),
            "a piece is longer than its block");
    boost::crc_32_type crc;
    crc.process_bytes(bytes.data() + at + 6, size + 1);
    require(crc.checksum() == little(at, 4), "a checksum is wrong");
    require(is_open == (type == 3 || type == 4), "pieces are out of order");
    is_open = type == 2 || type == 3;
    open += bytes.substr(at + kHeader, size);
    if (!is_open) records.push_back(std::exchange(open, {}));
    at += kHeader + size;
  }
  require(!is_open, "the last record is not whole");
  return records;
}

}  // namespace anemll::test
