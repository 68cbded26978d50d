#include "src/datasets/holdout_place.hpp"

#include "src/core/hash.hpp"

#include <cstring>
#include <string>

namespace anemll {

double holdout_place(const Document& document, std::uint64_t seed) {
  Sha256 hash;
  hash.update("holdout " + std::to_string(seed) + '\n');
  for (const ChatMessage& message : document.messages)
    hash.update(message.role + '\n' + message.content + '\n');
  hash.update(document.text);
  const Sha256::Digest digest = hash.finish();
  std::uint64_t bits = 0;
  std::memcpy(&bits, digest.data(), sizeof bits);
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace anemll
