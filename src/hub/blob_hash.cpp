#include "src/hub/internal/blob_hash.hpp"

#include "anemll/core/file.hpp"
#include "src/core/hash.hpp"

#include <algorithm>
#include <cctype>
#include <memory>
#include <stdexcept>

#include <openssl/evp.h>

namespace anemll {
namespace {

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

/// A failure here is a broken OpenSSL, not something a person can mend.
void check(int status) {
  if (status != 1) throw std::runtime_error("OpenSSL cannot compute SHA-1");
}

std::string git_blob_sha1(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const std::span<const std::byte> bytes = file->bytes();
  const std::string head = "blob " + std::to_string(bytes.size()) + '\0';
  const std::unique_ptr<EVP_MD_CTX, ContextDeleter> context(EVP_MD_CTX_new());
  check(context == nullptr ? 0 : EVP_DigestInit_ex(context.get(), EVP_sha1(), nullptr));
  check(EVP_DigestUpdate(context.get(), head.data(), head.size()));
  check(EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  check(EVP_DigestFinal_ex(context.get(), digest, &size));
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

}  // namespace

EtagForm etag_form(const std::string& etag) {
  if (!std::all_of(etag.begin(), etag.end(), [](unsigned char c) { return std::isxdigit(c) != 0; }))
    return EtagForm::unknown;
  return etag.size() == 64 ? EtagForm::sha256 : etag.size() == 40 ? EtagForm::git_sha1 : EtagForm::unknown;
}

std::string file_digest(const std::filesystem::path& file, EtagForm form) {
  switch (form) {
    case EtagForm::sha256:
      return sha256_file(file);
    case EtagForm::git_sha1:
      return git_blob_sha1(file);
    case EtagForm::unknown:
      break;
  }
  return {};
}

}  // namespace anemll
