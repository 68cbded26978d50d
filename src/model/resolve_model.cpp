// Model names to folders: a path, or org/name in the hub cache as huggingface_hub lays it out
// (models--org--name/refs/main -> snapshots/<commit>). Never touches the network.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/model/model_files.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <optional>
#include <vector>

namespace anemll {
namespace fs = std::filesystem;
namespace {

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

/// A leading ~ and $NAME or ${NAME}, as Python's expanduser and expandvars do; unknown names stay.
std::string expand(std::string text) {
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

fs::path hub_cache() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const auto value = environment(name)) return expand(*value);
  }
  if (const auto home = environment("HF_HOME")) return fs::path(expand(*home)) / "hub";
  const std::string base = environment("XDG_CACHE_HOME").value_or("~/.cache");
  return fs::path(expand(base)) / "huggingface" / "hub";
}

/// name or org/name, of the characters the hub allows.
bool is_hub_name(const std::string& id) {
  if (id.empty() || std::count(id.begin(), id.end(), '/') > 1) return false;
  if (!std::all_of(id.begin(), id.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '/' || c == '-' || c == '_' || c == '.';
      })) {
    return false;
  }
  return id.front() != '/' && id.back() != '/' && id.front() != '.' && id.find("..") == std::string::npos;
}

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.pop_back();
  return text;
}

/// The snapshot of refs/main, or the only one there is.
std::optional<fs::path> find_snapshot(const fs::path& repository) {
  const fs::path snapshots = repository / "snapshots";
  if (fs::is_regular_file(repository / "refs" / "main")) {
    const std::string commit = trimmed(read_text(repository / "refs" / "main"));
    const bool plain = !commit.empty() && std::all_of(commit.begin(), commit.end(),
                                                      [](unsigned char c) { return std::isalnum(c) != 0; });
    if (plain && fs::is_directory(snapshots / commit)) return snapshots / commit;
  }
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(snapshots, ignored)) {
    if (entry.is_directory()) found.push_back(entry.path());
  }
  if (found.size() == 1) return found.front();
  return std::nullopt;
}

}  // namespace

fs::path resolve_model(const std::string& model_id) {
  const fs::path direct = expand(model_id);
  std::error_code ignored;
  if (fs::is_directory(direct, ignored)) {
    if (fs::exists(direct / "config.json")) return direct;
    throw_data("the folder has no config.json", direct.string(), "give the folder of a Hugging Face model");
  }
  std::string looked = direct.string();
  if (is_hub_name(model_id)) {
    std::string folder = "models--" + model_id;
    if (const auto slash = folder.find('/'); slash != std::string::npos) folder.replace(slash, 1, "--");
    const fs::path repository = hub_cache() / folder;
    looked += ", " + repository.string();
    if (const auto snapshot = find_snapshot(repository)) {
      if (fs::exists(*snapshot / "config.json")) return *snapshot;
      throw_data("the cached snapshot has no config.json", snapshot->string(),
                 "the download is incomplete; download " + model_id + " again");
    }
  }
  throw_data("cannot find the model " + model_id, "looked in: " + looked,
             "give a folder, or download the model into the hub cache (HF_HUB_CACHE, HF_HOME) first");
}

}  // namespace anemll
