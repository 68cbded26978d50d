// One look before any parser: what a file is by its first and last bytes, whatever its name. Every reader of
// files that come from people asks here before it parses, so that a download that failed is called one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace anemll {

enum class ContentKind {
  other,  ///< text, or something that no row of the table knows
  empty,
  lfs_pointer,
  annex_pointer,
  web_page,
  xml,            ///< what object stores answer in place of a file
  server_answer,  ///< a short text that a server sends in place of a file
  zeros,          ///< nothing but zeros at its front, or zeros behind text
  utf16,
  utf32,
  gzip,
  zstd,
  bzip2,
  xz,
  lz4,
  office,  ///< a zip archive of Excel, Word or LibreOffice
  zip,     ///< also what torch.save writes
  seven_zip,
  rar,
  tar,
  pickle,  ///< Python's, and torch.save's before zip
  gguf,
  ggml,  ///< llama.cpp's formats before GGUF
  safetensors,
  hdf5,
  parquet,
  arrow_file,
  arrow_stream,
  sqlite,
  pdf,
};

/// UTF-8 may begin with it.
inline constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

/// How many bytes of a file's front and of its end are looked at.
inline constexpr std::size_t kContentLook = 4096;

/// Of a file in memory, or of text that was unpacked. `end` is its end, where that is at hand.
ContentKind content_kind(std::span<const std::byte> start, std::span<const std::byte> end = {});
/// Of a file: nothing but its first and last kContentLook bytes is read. `other` for pipes and devices, which
/// are read once only, and `empty` for a folder. A data error where it cannot be read.
ContentKind content_kind(const std::filesystem::path& path);

/// "a gzip file", "a pointer of Git LFS, not the content"; nothing for `other`.
std::string_view content_name(ContentKind kind);
/// What to do about the file in place of what was wanted, with a command where one helps.
std::string content_advice(ContentKind kind, const std::filesystem::path& path);

/// What to do about a file of a model that is damaged or incomplete: how to fetch it again.
std::string fetch_advice(const std::filesystem::path& path);

/// A data error with name and advice where the bytes are known to be something else than one of `fit`. What
/// no row knows (`other`) and empty files are left to the parser. `wanted`: "a safetensors file".
void require_content(const std::filesystem::path& path, ContentKind found,
                     std::initializer_list<ContentKind> fit, std::string_view wanted);
void require_content(const std::filesystem::path& path, std::span<const std::byte> bytes,
                     std::initializer_list<ContentKind> fit, std::string_view wanted);

/// The whole of a text file that comes from people: JSON, JSON Lines, a configuration, plain text. A byte
/// order mark of UTF-8 at its start is no part of it. A data error for what is no text by the look.
std::string read_input_text(const std::filesystem::path& path, std::string_view wanted = "a text file");
/// The same of bytes that are at hand.
std::string_view input_text(const std::filesystem::path& path, std::span<const std::byte> bytes,
                            std::string_view wanted = "a text file");

}  // namespace anemll
