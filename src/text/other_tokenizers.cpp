// A name says little: tokenizer.model is SentencePiece for Llama 2 and tiktoken for Llama 3. So the first
// bytes decide. A command is only given where what it makes is read.
#include "src/text/internal/other_tokenizers.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/shell_word.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace anemll::text {
namespace fs = std::filesystem;
namespace {

/// A message of Protocol Buffers that begins with a piece: field 1, its length, and in it field 1, the text.
bool is_sentencepiece(std::string_view start) {
  constexpr char kFirstField = 0x0a;
  return start.size() > 3 && start[0] == kFirstField && static_cast<unsigned char>(start[1]) < 0x80 &&
         start[2] == kFirstField && start[3] < start[1];
}

/// Lines of a token's bytes in base64 and its rank.
bool is_tiktoken(std::string_view start) {
  const std::string_view line = start.substr(0, start.find('\n'));
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0 || space % 4 != 0) return false;
  constexpr std::string_view kDigits = "0123456789";
  constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
  std::string_view rank = line.substr(space + 1);
  if (rank.ends_with('\r')) rank.remove_suffix(1);
  return !rank.empty() && rank.find_first_not_of(kDigits) == std::string_view::npos &&
         line.substr(0, space).find_first_not_of(kBase64) == std::string_view::npos;
}

/// Writes tokenizer.json and nothing else.
std::string make_command(const fs::path& folder, const char* packages) {
  const std::string script = "from transformers import AutoTokenizer as T; T.from_pretrained(" +
                             python_text(folder.string()) + ").backend_tokenizer.save(" +
                             python_text(folder.string() + "/tokenizer.json") + ")";
  return strf("make one of it (Python packages %s): python3 -c %s", packages, shell_word(script).c_str());
}

[[noreturn]] void fail_model_file(const fs::path& file) {
  const auto opened = MappedFile::open(file);
  const std::span<const std::byte> bytes = opened->bytes();
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                               std::min(bytes.size(), kContentLook));
  if (is_sentencepiece(start))
    throw_data("SentencePiece tokenizers are not read, and the folder has no other one", file.string(),
               std::string("a tokenizer.json made of it is not read either: ") + kByteLevelModel);
  if (is_tiktoken(start)) {
    if (file.filename() == "tokenizer.model")
      throw_data("the model folder has no tokenizer.json, but a tiktoken file", file.string(),
                 make_command(file.parent_path(), "transformers and tiktoken") +
                     ", which cuts words as Llama 3 does");
    throw_data("tiktoken files of this name are not read: they do not say how words are cut", file.string(),
               "give ORG/NAME or the folder of a version of the model that has tokenizer.json");
  }
  const std::string_view kind = content_name(content_kind(bytes.first(start.size())));
  throw_data(std::string("the model folder has no tokenizer.json, but a file that is ")
                 .append(bytes.empty()  ? "empty"
                         : kind.empty() ? "neither SentencePiece nor tiktoken"
                                        : kind),
             file.string(), fetch_advice(file.parent_path() / "tokenizer.json"));
}

/// By name, in the order of the alphabet.
std::vector<fs::path> model_files(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code none;
  for (fs::directory_iterator entry(folder, none), end; !none && entry != end; entry.increment(none)) {
    const std::string name = entry->path().filename().string();
    const bool fits = name.ends_with(".model") || name.starts_with("tokenizer.model") ||
                      name.ends_with(".tiktoken") || name.ends_with(".spm");
    if (fits && entry->is_regular_file(none)) out.push_back(entry->path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

void fail_without_tokenizer(const fs::path& folder) {
  std::error_code none;
  const bool vocabulary = fs::exists(folder / "vocab.json", none);
  const bool merges = fs::exists(folder / "merges.txt", none);
  if (vocabulary && merges)
    throw_data("the model folder has no tokenizer.json, but vocab.json and merges.txt", folder.string(),
               make_command(folder, "transformers"));
  if (const std::vector<fs::path> files = model_files(folder); !files.empty()) fail_model_file(files.front());
  if (vocabulary || merges)
    throw_data(std::string("the model folder has no tokenizer.json, and of vocab.json and merges.txt only ") +
                   (vocabulary ? "vocab.json" : "merges.txt"),
               folder.string(), fetch_advice(folder / "tokenizer.json"));
  throw_data("the model folder has no tokenizer.json", folder.string(),
             "copy tokenizer.json and tokenizer_config.json of the model into it, or give ORG/NAME of the "
             "model, which is downloaded with them");
}

}  // namespace anemll::text
