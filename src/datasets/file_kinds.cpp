#include "src/datasets/internal/file_kinds.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/one_of.hpp"
#include "src/core/printable.hpp"
#include "src/datasets/internal/file_names.hpp"

#include <array>
#include <string_view>
#include <vector>

namespace anemll::datasets {
namespace {

namespace fs = std::filesystem;

/// Files that lie beside data without being data, and text of these names whatever its extension.
constexpr std::array<std::string_view, 6> kDescriptions = {"dataset_info.json", "dataset_infos.json",
                                                           "dataset_dict.json", "state.json",
                                                           "config.json",       "croissant.json"};
constexpr std::array<std::string_view, 4> kDescribingTexts = {"readme", "license", "licence", "requirements"};

/// By the extension in front of a compression's.
struct Extension {
  std::string_view name;
  FileKind kind;
  bool packed;  ///< may be compressed
};
constexpr std::array<std::string_view, 4> kCompressions = {"gz", "zst", "bz2", "xz"};
constexpr std::array<Extension, 9> kExtensions = {Extension{"parquet", FileKind::parquet, false},
                                                  {"arrow", FileKind::arrow, false},
                                                  {"json", FileKind::json, true},
                                                  {"jsonl", FileKind::json_lines, true},
                                                  {"ndjson", FileKind::json_lines, true},
                                                  {"csv", FileKind::csv, true},
                                                  {"tsv", FileKind::csv, true},
                                                  {"txt", FileKind::text, true},
                                                  {"md", FileKind::text, true}};

/// ".a, .b or .c", with `last` between the last two.
std::string listed(const std::vector<std::string_view>& names, std::string_view last) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? last : ", ";
    (out += '.') += names[i];
  }
  return out;
}

}  // namespace

std::string known_extensions() {
  std::vector<std::string_view> packed;
  std::vector<std::string_view> plain;
  for (const Extension& known : kExtensions) (known.packed ? packed : plain).push_back(known.name);
  return listed(packed, ", ") + " (each also with " +
         listed({kCompressions.begin(), kCompressions.end()}, " or ") + "), " + listed(plain, " and ");
}

std::string extension_of(const fs::path& file) {
  const std::string extension = lower_case(file.extension().string());
  return extension.empty() ? extension : extension.substr(1);
}

bool is_packed(const fs::path& file) {
  return is_one_of(extension_of(file), kCompressions);
}

std::optional<FileKind> known_kind(const fs::path& file) {
  const bool packed = is_packed(file);
  const std::string extension = extension_of(packed ? file.stem() : file);
  for (const Extension& known : kExtensions)
    if (known.name == extension && (known.packed || !packed)) return known.kind;
  return std::nullopt;
}

FileKind file_kind(const fs::path& file) {
  const auto kind = known_kind(file);
  if (!kind)
    throw_data("neither the extension nor the content tells a file type", file.string(),
               "rename it after what it holds; known are " + known_extensions());
  return *kind;
}

std::optional<FileKind> data_kind(const std::string& name) {
  const fs::path path(name);
  // Hidden and private folders and files belong to tools.
  for (const fs::path& part : path)
    if (part.string().starts_with('.') || part.string().starts_with("__")) return std::nullopt;
  const std::string file = lower_case(path.filename().string());
  if (is_one_of(file, kDescriptions)) return std::nullopt;
  const auto kind = known_kind(path);
  // What Python's datasets library computed once and keeps beside the data.
  if (kind == FileKind::arrow && (file.starts_with("cache-") || file.starts_with("tmp"))) return std::nullopt;
  if (kind == FileKind::text && is_one_of(file.substr(0, file.find('.')), kDescribingTexts))
    return std::nullopt;
  return kind;
}

bool alike(FileKind a, FileKind b) {
  const auto is_json = [](FileKind kind) { return kind == FileKind::json || kind == FileKind::json_lines; };
  return a == b || (is_json(a) && is_json(b));
}

std::string count_of(std::size_t files) {
  return strf("%zu file%s", files, files == 1 ? "" : "s");
}

std::string list_of(const std::vector<std::string>& names, std::size_t shown) {
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < shown; ++i) out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > shown) out += strf(", ... (%zu in all)", names.size());
  return printable(out);  // names may come from a server
}

}  // namespace anemll::datasets
