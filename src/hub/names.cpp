#include "src/hub/internal/names.hpp"

#include "src/core/hash.hpp"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace anemll {
namespace {

constexpr std::size_t kMaxRepositoryName = 96;
constexpr std::size_t kMaxComponent = 255;
constexpr std::size_t kMaxPath = 3000;
constexpr std::size_t kMaxBlobName = 128;

bool is_word(unsigned char c) {
  return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
}

bool is_plain_part(std::string_view part) {
  return !part.empty() && std::all_of(part.begin(), part.end(), is_word) && part.front() != '.' &&
         part.front() != '-' && part.back() != '.' && part.back() != '-';
}

}  // namespace

bool is_repository_name(const std::string& id) {
  if (id.size() > kMaxRepositoryName || id.find("..") != std::string::npos ||
      id.find("--") != std::string::npos || id.ends_with(".git"))
    return false;
  const std::size_t slash = id.find('/');
  if (slash == std::string::npos) return is_plain_part(id);
  return is_plain_part(std::string_view(id).substr(0, slash)) &&
         is_plain_part(std::string_view(id).substr(slash + 1));
}

bool is_commit(const std::string& text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

bool is_revision(const std::string& text) {
  return is_safe_path(text) && text.size() <= kMaxComponent;
}

bool is_safe_path(const std::string& path) {
  if (path.empty() || path.size() > kMaxPath) return false;
  if (std::any_of(path.begin(), path.end(),
                  [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '\\'; }))
    return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = std::string_view(path).substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > kMaxComponent) return false;
    begin = end + 1;
  }
  // "C:x" leaves the folder where drives have letters.
  return !(path.size() > 1 && path[1] == ':');
}

std::string repository_folder(HubKind kind, const std::string& id) {
  std::string name = id;
  if (const auto slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  return (kind == HubKind::model ? "models--" : "datasets--") + name;
}

std::string url_encoded(const std::string& text, bool keep_slashes) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool ascii = byte < 0x80;
    if ((ascii && (is_word(byte) || byte == '~')) || (c == '/' && keep_slashes)) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

std::string blob_name(const std::string& etag) {
  const bool plain = !etag.empty() && etag.size() <= kMaxBlobName && etag.front() != '.' &&
                     std::all_of(etag.begin(), etag.end(), is_word);
  return plain ? etag : sha256_hex(etag);
}

const char* kind_word(HubKind kind) {
  return kind == HubKind::model ? "model" : "dataset";
}

}  // namespace anemll
