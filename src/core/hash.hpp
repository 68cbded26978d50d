// SHA-256 for files that must be recognised again (manifests, fingerprints). No secrets are involved.
// Objects are used by one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace anemll {

class Sha256 {
 public:
  using Digest = std::array<std::byte, 32>;

  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  /// Ends this hash; the object then begins a new one.
  Digest finish();
  /// `finish` as 64 lower-case hexadecimal digits.
  std::string finish_hex();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);
/// Reads the file once, without keeping its pages resident. Throws a data error if it cannot be read.
std::string sha256_file(const std::filesystem::path& path);

}  // namespace anemll
