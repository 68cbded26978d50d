// The table of what a person does about a file that is something else than what was asked for.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/shell_word.hpp"

#include <algorithm>
#include <array>

namespace anemll {
namespace fs = std::filesystem;
namespace {

struct Row {
  ContentKind kind;
  std::string_view name;
  std::string_view advice;  ///< FILE stands for the file's name
};

constexpr std::array kRows = {
    Row{ContentKind::empty, "an empty file", "fetch it again: nothing of it arrived"},
    Row{ContentKind::lfs_pointer, "a pointer of Git LFS, not the content",
        "fetch the content: run 'git lfs install' and 'git lfs pull' in its folder"},
    Row{ContentKind::annex_pointer, "a pointer of git-annex, not the content",
        "fetch the content: run 'git annex get' in its folder"},
    Row{ContentKind::web_page, "a web page: the download failed",
        "fetch the file itself: a link to a hub has /resolve/ in place of /blob/, and some files need a "
        "login (HF_TOKEN)"},
    Row{ContentKind::xml, "an XML text, as a server sends it when a download fails",
        "read the reason in it (head -c 500 FILE), then fetch the file itself"},
    Row{ContentKind::server_answer, "a server's answer that it does not give the file: the download failed",
        "check the address and the login (HF_TOKEN), then fetch the file again"},
    Row{ContentKind::zeros, "filled up with zeros: it was not written whole",
        "fetch or copy it again; its end is shown by: tail -c 64 FILE | xxd"},
    Row{ContentKind::utf16, "text in UTF-16",
        "run: iconv -f UTF-16 -t UTF-8 FILE > FILE.utf8, and rename that"},
    Row{ContentKind::utf32, "text in UTF-32",
        "run: iconv -f UTF-32 -t UTF-8 FILE > FILE.utf8, and rename that"},
    Row{ContentKind::gzip, "a gzip file", "unpack it: gzip -dc FILE > FILE.unpacked"},
    Row{ContentKind::zstd, "a zstd file", "unpack it: zstd -dc FILE > FILE.unpacked"},
    Row{ContentKind::bzip2, "a bzip2 file", "unpack it: bzip2 -dc FILE > FILE.unpacked"},
    Row{ContentKind::xz, "an xz file", "unpack it: xz -dc FILE > FILE.unpacked"},
    Row{ContentKind::lz4, "an lz4 file", "unpack it: lz4 -dc FILE > FILE.unpacked"},
    Row{ContentKind::office, "a document of an office program",
        "give its table as CSV: soffice --headless --convert-to csv FILE"},
    Row{ContentKind::zip, "a zip archive",
        "list it (unzip -l FILE), unpack it (unzip FILE); "
        "if torch.save wrote it, the name ends in .pt"},
    Row{ContentKind::seven_zip, "a 7z archive", "unpack it (7z x FILE) and give what was in it"},
    Row{ContentKind::rar, "a RAR archive", "unpack it (unrar x FILE) and give what was in it"},
    Row{ContentKind::tar, "a tar archive", "unpack it (tar -xf FILE) and give what was in it"},
    Row{ContentKind::pickle, "a pickle of Python",
        "if torch.save wrote it, the name ends in .pt; else load it in Python and save it anew"},
    Row{ContentKind::gguf, "a GGUF model file", "give it where a model is asked for (--model-id)"},
    Row{ContentKind::ggml, "a model file of llama.cpp from before GGUF",
        "fetch the model as GGUF or as a Hugging Face folder (hf download): nothing reads the old form any "
        "more"},
    Row{ContentKind::safetensors, "a safetensors file",
        "give its folder, with its config.json, where a model is asked for (--model-id)"},
    Row{ContentKind::hdf5, "an HDF5 file", "a KD cache in HDF5 goes to --cache-dir"},
    Row{ContentKind::parquet, "a Parquet file", "give it as a data set (--dataset_name)"},
    Row{ContentKind::arrow_file, "an Arrow file", "give it as a data set (--dataset_name)"},
    Row{ContentKind::arrow_stream, "an Arrow stream", "give it as a data set (--dataset_name)"},
    Row{ContentKind::sqlite, "an SQLite database",
        "export a table: sqlite3 -header -csv FILE 'select * from TABLE'"},
    Row{ContentKind::pdf, "a PDF document", "make text of it: pdftotext FILE"}};

const Row* row_of(ContentKind kind) {
  const auto found =
      std::find_if(kRows.begin(), kRows.end(), [&](const Row& row) { return row.kind == kind; });
  return found == kRows.end() ? nullptr : &*found;
}

/// FILE and FILE.END in `text` as words of a shell: the path, and the path with that end.
std::string with_file(std::string_view text, const fs::path& path) {
  constexpr std::string_view kFile = "FILE", kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::string out;
  for (std::size_t at; (at = text.find(kFile)) != std::string_view::npos;) {
    out.append(text.substr(0, at));
    text.remove_prefix(at + kFile.size());
    std::size_t end = 0;
    if (text.starts_with('.')) end = std::min(text.find_first_not_of(kLetters, 1), text.size());
    out.append(shell_word(path.string().append(end > 1 ? text.substr(0, end) : "")));
    if (end > 1) text.remove_prefix(end);
  }
  return out.append(text);
}

}  // namespace

std::string_view content_name(ContentKind kind) {
  const Row* row = row_of(kind);
  return row == nullptr ? std::string_view() : row->name;
}

std::string content_advice(ContentKind kind, const fs::path& path) {
  const Row* row = row_of(kind);
  return row == nullptr ? std::string() : with_file(row->advice, path);
}

std::string fetch_advice(const fs::path& path) {
  const std::string folder = path.parent_path().empty() ? "." : path.parent_path().string();
  std::string out = "fetch it again from where it came: hf download ORG/NAME ";
  out.append(shell_word(path.filename().string())).append(" --local-dir ").append(shell_word(folder));
  return out.append(" --force-download; a model given as ORG/NAME is downloaded");
}

void require_content(const fs::path& path, ContentKind found, std::initializer_list<ContentKind> fit,
                     std::string_view wanted) {
  const bool fits = std::find(fit.begin(), fit.end(), found) != fit.end();
  if (fits || found == ContentKind::other || found == ContentKind::empty) return;
  std::string what = "is ";
  what.append(content_name(found)).append(", where ").append(wanted).append(" is read");
  throw_data(what, path.string(), content_advice(found, path));
}

void require_content(const fs::path& path, std::span<const std::byte> bytes,
                     std::initializer_list<ContentKind> fit, std::string_view wanted) {
  const std::size_t look = std::min(bytes.size(), kContentLook);
  require_content(path, content_kind(bytes.first(look), bytes.last(look)), fit, wanted);
}

std::string_view input_text(const fs::path& path, std::span<const std::byte> bytes, std::string_view wanted) {
  require_content(path, bytes, {}, wanted);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

std::string read_input_text(const fs::path& path, std::string_view wanted) {
  const auto file = MappedFile::open(path);
  return std::string(input_text(path, file->bytes(), wanted));
}

}  // namespace anemll
