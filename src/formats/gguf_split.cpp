// Models that are split over GGUF files: NAME-00001-of-00003.gguf and so on. The first part has the metadata,
// and each says which part it is.
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/shell_word.hpp"
#include "src/formats/internal/gguf_part.hpp"
#include "src/formats/shown.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kCount = "split.count";
constexpr const char* kNumber = "split.no";
constexpr const char* kTensors = "split.tensors.count";
constexpr const char* kSplit = "split.";

std::string where(const fs::path& path, const char* key) {
  return path.string() + ", key \"" + key + "\"";
}

/// The integer of a key, whatever its width.
std::optional<std::uint64_t> number(const GgufFile& file, const char* key) {
  const GgufValue* value = file.find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* natural = std::get_if<std::uint64_t>(value)) return *natural;
  const auto* integer = std::get_if<std::int64_t>(value);
  if (integer != nullptr && *integer >= 0) return static_cast<std::uint64_t>(*integer);
  throw_data("not a count" + (integer != nullptr ? ", but " + std::to_string(*integer) : std::string()),
             where(file.path, key), "the file is damaged; " + fetch_advice(file.path));
}

/// The name of another part: the number of the first is replaced. Nothing where the name has none.
std::optional<fs::path> part_path(const fs::path& path, std::uint64_t from, std::uint64_t to,
                                  std::uint64_t count) {
  const auto ending = [count](std::uint64_t part) {
    return strf("-%05llu-of-%05llu.gguf", static_cast<unsigned long long>(part),
                static_cast<unsigned long long>(count));
  };
  std::string name = path.filename().string();
  if (!name.ends_with(ending(from))) return std::nullopt;
  name.resize(name.size() - ending(from).size());
  return path.parent_path() / (name + ending(to));
}

/// A part behind the first: its tensors join those of the first.
void join(GgufFile& whole, GgufFile part, std::uint64_t index, std::uint64_t count,
          std::unordered_set<std::string>& names) {
  const std::string hint = "the parts are of different models, or were renamed; " + fetch_advice(part.path);
  if (number(part, kCount).value_or(1) != count || number(part, kNumber).value_or(0) != index) {
    throw_data(strf("not part %llu of %llu", static_cast<unsigned long long>(index + 1),
                    static_cast<unsigned long long>(count)),
               where(part.path, kNumber), hint);
  }
  for (const auto& [key, value] : part.metadata) {
    const GgufValue* known = whole.find(key);
    if (key.starts_with(kSplit) || (known != nullptr && *known == value)) continue;
    throw_data(shown(value) + ": the first part does not say the same, but " +
                   (known != nullptr ? shown(*known) : "nothing"),
               where(part.path, key.c_str()), hint);
  }
  for (GgufTensor& tensor : part.tensors) {
    if (!names.insert(tensor.name).second) {
      throw_data("tensor " + tensor.name + " is in an earlier part, too", part.path.string(), hint);
    }
    whole.tensors.push_back(std::move(tensor));
  }
  whole.maps.push_back(part.maps.front());
}

}  // namespace

GgufFile read_gguf(const fs::path& path) {
  GgufFile file = formats::read_gguf_part(path);
  const std::uint64_t count = number(file, kCount).value_or(1);
  if (count <= 1) return file;
  const std::uint64_t index = number(file, kNumber).value_or(0);
  const auto first = part_path(path, index + 1, 1, count);
  const std::string self =
      strf("the file is part %llu of %llu of a model", static_cast<unsigned long long>(index + 1),
           static_cast<unsigned long long>(count));
  if (!first) {
    throw_data(
        self + ", and its name does not say so", where(path, kCount),
        strf("name the parts NAME-00001-of-%05llu.gguf and so on, or join them: llama-gguf-split --merge",
             static_cast<unsigned long long>(count)));
  }
  if (index != 0)
    throw_data(self, where(path, kNumber), "give the first part, --model-id " + shell_word(first->string()));
  std::unordered_set<std::string> names;
  for (const GgufTensor& tensor : file.tensors) names.insert(tensor.name);
  for (std::uint64_t i = 1; i < count; ++i) {
    const fs::path other = part_path(path, 1, i + 1, count).value();
    std::error_code ignored;
    if (!fs::exists(other, ignored)) {
      throw_data(self + ", and another part is missing: " + other.filename().string(), where(path, kCount),
                 "it belongs into the folder of the first part: " + fetch_advice(other));
    }
    join(file, formats::read_gguf_part(other), i, count, names);
  }
  if (number(file, kTensors).value_or(names.size()) != names.size()) {
    throw_data(strf("the parts have %zu tensors, not as many as the key says", names.size()),
               where(path, kTensors), "a part is damaged; " + fetch_advice(path));
  }
  return file;
}

}  // namespace anemll
