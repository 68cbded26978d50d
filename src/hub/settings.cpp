// The variables of the Python library, with its rules of precedence.
#include "src/hub/internal/settings.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/core/plain_numbers.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kDefaultEndpoint = "https://huggingface.co";
constexpr std::size_t kMaxTokenBytes = 16384;

bool is_true(const std::string& value) {
  std::string upper = value;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return upper == "1" || upper == "ON" || upper == "YES" || upper == "TRUE";
}

bool switched_on(const char* name) {
  const auto value = environment(name);
  return value && is_true(*value);
}

fs::path hub_home() {
  if (const auto home = environment("HF_HOME")) return expand_path(*home);
  return fs::path(expand_path(environment("XDG_CACHE_HOME").value_or("~/.cache"))) / "huggingface";
}

fs::path cache_root(const HubOptions& options) {
  if (options.cache_dir && !options.cache_dir->empty()) return expand_path(options.cache_dir->string());
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const auto value = environment(name)) return expand_path(*value);
  }
  return hub_home() / "hub";
}

std::string trimmed(const std::string& text) {
  const auto space = [](unsigned char c) { return std::isspace(c) != 0; };
  const auto begin = std::find_if_not(text.begin(), text.end(), space);
  const auto end = std::find_if_not(text.rbegin(), std::make_reverse_iterator(begin), space).base();
  return {begin, end};
}

/// A token goes into a header: a line break in it would be a second header.
std::string checked_token(const std::string& raw, const std::string& from) {
  std::string token = trimmed(raw);
  const auto odd =
      std::find_if(token.begin(), token.end(), [](unsigned char c) { return c <= 0x20 || c >= 0x7f; });
  if (odd != token.end()) {
    throw_usage("the access token has characters that no token has, the first at byte " +
                    std::to_string(odd - token.begin()),
                from, "give the token alone as in HF_TOKEN=hf_...; it is one word of letters and digits");
  }
  return token;
}

std::string read_token(const HubOptions& options) {
  if (options.token) return checked_token(*options.token, "access token");
  if (switched_on("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return {};
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (const auto value = environment(name)) return checked_token(*value, name);
  }
  const auto named = environment("HF_TOKEN_PATH");
  const fs::path file = named ? fs::path(expand_path(*named)) : hub_home() / "token";
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored) || fs::file_size(file, ignored) > kMaxTokenBytes) return {};
  return checked_token(read_text(file), file.string());
}

std::string read_endpoint() {
  std::string endpoint = trimmed(environment("HF_ENDPOINT").value_or(kDefaultEndpoint));
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const bool plain = std::none_of(endpoint.begin(), endpoint.end(),
                                  [](unsigned char c) { return c <= 0x20 || c == '?' || c == '#'; });
  if (!plain || (!endpoint.starts_with("https://") && !endpoint.starts_with("http://"))) {
    throw_usage("not the address of a hub: " + endpoint, "HF_ENDPOINT",
                "give something like HF_ENDPOINT=https://huggingface.co");
  }
  return endpoint;
}

double read_timeout(const char* name, double fallback) {
  const auto text = environment(name);
  if (!text) return fallback;
  char* end = nullptr;
  const double value = plain_strtod(text->c_str(), &end);
  if (end == text->c_str() || *end != '\0' || !std::isfinite(value) || value <= 0 || value > 86400)
    throw_usage("not a number of seconds: " + *text, name,
                "give seconds, for example " + std::string(name) + "=30");
  return value;
}

std::string read_offline(const HubOptions& options) {
  for (const char* name : {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}) {
    if (const auto value = environment(name); value && is_true(*value))
      return std::string(name) + "=" + *value;
  }
  return options.local_files_only ? "--local_files_only" : "";
}

}  // namespace

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::string expand_path(std::string text) {
  if (text == "~" || text.starts_with("~/")) text = environment("HOME").value_or("~") + text.substr(1);
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$') {
      out += text[i++];
      continue;
    }
    const bool braces = i + 1 < text.size() && text[i + 1] == '{';
    const std::size_t begin = i + (braces ? 2 : 1);
    std::size_t end = begin;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_'))
      ++end;
    const auto value = environment(text.substr(begin, end - begin));
    const bool closed = !braces || (end < text.size() && text[end] == '}');
    const std::size_t after = braces && closed ? end + 1 : end;
    out += value && closed ? *value : text.substr(i, after - i);
    i = after;
  }
  return out;
}

HubSettings read_settings(const HubOptions& options) {
  HubSettings settings;
  settings.cache_root = cache_root(options);
  settings.endpoint = read_endpoint();
  settings.token = read_token(options);
  settings.offline = read_offline(options);
  settings.etag_timeout_s = read_timeout("HF_HUB_ETAG_TIMEOUT", settings.etag_timeout_s);
  settings.download_timeout_s = read_timeout("HF_HUB_DOWNLOAD_TIMEOUT", settings.download_timeout_s);
  return settings;
}

}  // namespace anemll
