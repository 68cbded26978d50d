// The table of what is known by its bytes.
#include "src/core/content_kind.hpp"

#include "src/core/system_error.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using std::string_view_literals::operator""sv;

struct Magic {
  std::size_t at;
  std::string_view bytes;
  ContentKind kind;
};

/// UTF-32 before UTF-16, whose mark is the front of it. Text that may be a magic has more than four bytes of
/// it.
constexpr std::array kMagics = {
    Magic{0, "version https://git-lfs.github.com/spec/"sv, ContentKind::lfs_pointer},
    Magic{0, "version https://hawser.github.com/spec/"sv, ContentKind::lfs_pointer},
    Magic{0, "/annex/objects/"sv, ContentKind::annex_pointer},
    Magic{0, "\xff\xfe\0\0"sv, ContentKind::utf32},
    Magic{0, "\0\0\xfe\xff"sv, ContentKind::utf32},
    Magic{0, "\xff\xfe"sv, ContentKind::utf16},
    Magic{0, "\xfe\xff"sv, ContentKind::utf16},
    Magic{0, "\x1f\x8b\x08"sv, ContentKind::gzip},
    Magic{0, "\x28\xb5\x2f\xfd"sv, ContentKind::zstd},
    Magic{0,
          "\xfd"
          "7zXZ\0"sv,
          ContentKind::xz},
    Magic{0, "\x04\x22\x4d\x18"sv, ContentKind::lz4},
    Magic{30, "[Content_Types].xml"sv, ContentKind::office},  // the name of the first member
    Magic{30, "mimetypeapplication/vnd.oasis.opendocument"sv, ContentKind::office},
    Magic{0, "PK\3\4"sv, ContentKind::zip},
    Magic{0, "PK\5\6"sv, ContentKind::zip},  // without a member
    Magic{0, "7z\xbc\xaf\x27\x1c"sv, ContentKind::seven_zip},
    Magic{0, "Rar!\x1a\x07"sv, ContentKind::rar},
    Magic{257, "ustar"sv, ContentKind::tar},
    Magic{0, "GGUF"sv, ContentKind::gguf},
    Magic{0, "lmgg"sv, ContentKind::ggml},
    Magic{0, "fmgg"sv, ContentKind::ggml},
    Magic{0, "tjgg"sv, ContentKind::ggml},
    Magic{0, "\x89HDF\r\n\x1a\n"sv, ContentKind::hdf5},
    Magic{0, "PAR1"sv, ContentKind::parquet},
    Magic{0, "PARE"sv, ContentKind::parquet},  // with an encrypted footer
    Magic{0, "ARROW1\0\0"sv, ContentKind::arrow_file},
    Magic{0, "SQLite format 3\0"sv, ContentKind::sqlite},
    Magic{0, "%PDF-"sv, ContentKind::pdf}};

/// How servers answer where a file is asked for that they do not give.
struct Answer {
  std::string_view text;
  bool whole;  ///< there is nothing else; else it goes on with the name of the repository, ORG/NAME
};
constexpr std::array kAnswers = {Answer{"Entry not found", true},
                                 Answer{"Repository not found", true},
                                 Answer{"404: Not Found", true},
                                 Answer{"404 page not found", true},
                                 Answer{"Not Found", true},
                                 Answer{"Unauthorized", true},
                                 Answer{"Forbidden", true},
                                 Answer{"Invalid username or password.", true},
                                 Answer{"Invalid credentials in Authorization header", true},
                                 Answer{"Access to model ", false},
                                 Answer{"Access to dataset ", false}};
constexpr std::size_t kLongestAnswer = 400;

constexpr std::size_t kTail = 16;  // zeros at the end of a text that one bad byte does not explain

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool all_zero(std::string_view text) {
  return text.find_first_not_of('\0') == std::string_view::npos;
}

/// Without regard to case, and only as a whole word.
bool begins_with_tag(std::string_view text, std::string_view tag) {
  if (text.size() < tag.size()) return false;
  for (std::size_t i = 0; i < tag.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
    if (c != tag[i]) return false;
  }
  return text.size() == tag.size() ||
         std::string_view(" >\n\r\t").find(text[tag.size()]) != std::string_view::npos;
}

/// What follows a magic of four letters, which may as well begin a sentence: a byte that no text has, or
/// nothing.
constexpr std::size_t kWord = 4;
bool is_binary(std::string_view text) {
  return text.empty() || std::any_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\r' && c != '\t';
         });
}

/// The next line of `text`, without its end, which is taken.
std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

/// Nothing but the lines of a pointer, which has less than 1 KiB: a text about pointers goes on otherwise.
bool is_lfs_pointer(std::string_view text) {
  constexpr std::size_t kMost = 1024;
  if (text.size() >= kMost) return false;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const std::size_t space = line.find(' ');
    const std::string_view key = line.substr(0, space);
    const bool known = key == "version" || key == "oid" || key == "size" || key.starts_with("ext-");
    if (!line.empty() && (!known || line.find(' ', std::min(space, line.size() - 1) + 1) != line.npos))
      return false;
  }
  return true;
}

/// The name of an object in one line.
bool is_annex_pointer(std::string_view text) {
  return take_line(text).find_first_of(" \t") == std::string_view::npos;
}

/// A line with the version alone, and behind it what no text has: a comment of bytes that are no letters, an
/// object, or nothing.
bool is_pdf(std::string_view text) {
  constexpr std::size_t kNear = 1024;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  text.remove_prefix(5);
  if (text.size() < 3) return text.empty();
  if (!digit(text[0]) || text[1] != '.' || !digit(text[2])) return false;
  text.remove_prefix(3);
  const std::size_t end = text.find_first_not_of(' ');
  if (end == std::string_view::npos) return true;
  if (text[end] != '\r' && text[end] != '\n') return false;
  const std::size_t next = text.find_first_not_of(" \r\n", end);
  if (next == std::string_view::npos) return true;
  text = text.substr(next, kNear);
  const bool comment = text.size() > 1 && text[0] == '%' && static_cast<unsigned char>(text[1]) > '\x7f';
  return comment || text.find(" 0 obj") != std::string_view::npos ||
         text.find('\0') != std::string_view::npos;
}

/// Magics that a text about them may begin with have a form behind them.
bool has_form(ContentKind kind, std::string_view there, std::size_t magic) {
  switch (kind) {
    case ContentKind::lfs_pointer:
      return is_lfs_pointer(there);
    case ContentKind::annex_pointer:
      return is_annex_pointer(there);
    case ContentKind::pdf:
      return is_pdf(there);
    default:
      break;
  }
  const bool word = magic == kWord && there[0] >= 'A' && there[0] <= 'z';
  return !word || is_binary(there.substr(kWord, 2 * kWord));
}

/// bzip2's own magic is three letters and a digit; the magic of its first block, or of its end, follows.
bool is_bzip2(std::string_view text) {
  return text.size() >= 10 && text.starts_with("BZh") && text[3] >= '1' && text[3] <= '9' &&
         (text.substr(4).starts_with("\x31\x41\x59\x26\x53\x59") ||
          text.substr(4).starts_with("\x17\x72\x45\x38\x50\x90"));
}

bool is_zstd_skippable(std::string_view text) {
  return text.size() >= 4 && (static_cast<unsigned char>(text[0]) & 0xf0U) == 0x50 &&
         text.substr(1).starts_with("\x2a\x4d\x18");
}

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t out = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) out = (out << 8U) | static_cast<unsigned char>(bytes[i]);
  return out;
}

/// The length of a header, and the header's first byte.
bool is_safetensors(std::string_view text) {
  constexpr std::uint64_t kMaxHeader = 100'000'000;
  if (text.size() < 9 || text[8] != '{') return false;
  const std::uint64_t header = little_endian(text.substr(0, 8));
  return header >= 2 && header <= kMaxHeader;
}

/// The mark of a message, and the length of its metadata.
bool is_arrow_stream(std::string_view text) {
  constexpr std::uint64_t kMaxSchema = std::uint64_t{1} << 28;
  if (text.size() < 8 || !text.starts_with("\xff\xff\xff\xff")) return false;
  const std::uint64_t length = little_endian(text.substr(4, 4));
  return length % 8 == 0 && length < kMaxSchema;
}

/// Protocols 2 to 5, and what must follow: a frame, a mark, a container or a number.
bool is_pickle(std::string_view text) {
  if (text.size() < 3 || text[0] != '\x80' || text[1] < 2 || text[1] > 5) return false;
  return std::string_view("\x95\x8a(}])c\x8c").find(text[2]) != std::string_view::npos;
}

/// Without a mark: every second byte of the front is zero, and no other.
bool is_bare_utf16(std::string_view text) {
  const std::string_view front = text.substr(0, 256);
  if (front.size() < 8) return false;
  std::array<std::size_t, 2> zeros{};
  for (std::size_t i = 0; i < front.size(); ++i) zeros[i % 2] += front[i] == '\0' ? 1U : 0U;
  const std::size_t half = front.size() / 2;
  return std::min(zeros[0], zeros[1]) == 0 && std::max(zeros[0], zeros[1]) * 10 >= half * 9;
}

ContentKind kind_of_text(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  for (const std::string_view tag : {"<!doctype html", "<html", "<head"})
    if (begins_with_tag(text, tag)) return ContentKind::web_page;
  if (begins_with_tag(text, "<?xml")) return ContentKind::xml;
  const std::string_view trimmed = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  if (trimmed.size() <= kLongestAnswer &&
      std::any_of(kAnswers.begin(), kAnswers.end(), [&](const Answer& one) {
        if (one.whole) return trimmed == one.text;
        const std::string_view name = trimmed.substr(std::min(one.text.size(), trimmed.size()));
        return trimmed.starts_with(one.text) && name.substr(0, name.find(' ')).find('/') != name.npos;
      }))
    return ContentKind::server_answer;
  return ContentKind::other;
}

class Descriptor {
 public:
  explicit Descriptor(const fs::path& path) : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) throw_system("cannot open for reading", path_);
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  std::size_t read(std::span<std::byte> out, std::uint64_t at) const {
    for (;;) {
      const ssize_t n = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(at));
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) throw_system("cannot read", path_);
    }
  }
  int get() const { return fd_; }

 private:
  const fs::path& path_;
  int fd_;
};

}  // namespace

ContentKind content_kind(std::span<const std::byte> start, std::span<const std::byte> end) {
  const std::string_view text = text_of(start);
  if (text.empty()) return ContentKind::empty;
  for (const Magic& magic : kMagics) {
    if (magic.at >= text.size()) continue;
    const std::string_view there = text.substr(magic.at);
    if (there.starts_with(magic.bytes) && has_form(magic.kind, there, magic.bytes.size())) return magic.kind;
  }
  if (is_bzip2(text)) return ContentKind::bzip2;
  if (is_zstd_skippable(text)) return ContentKind::zstd;
  if (is_safetensors(text)) return ContentKind::safetensors;
  if (is_arrow_stream(text)) return ContentKind::arrow_stream;
  if (is_pickle(text)) return ContentKind::pickle;
  if (text.size() >= kTail && all_zero(text.substr(0, kContentLook))) return ContentKind::zeros;
  if (is_bare_utf16(text)) return ContentKind::utf16;
  const std::string_view tail = text_of(end);
  // Only behind text: numbers may well end in zeros.
  const std::string_view front = text.substr(0, text.find_last_not_of('\0') + 1);
  const bool is_text = front.size() >= kTail && front.find('\0') == std::string_view::npos;
  if (is_text && tail.size() >= kTail && all_zero(tail.substr(tail.size() - kTail)))
    return ContentKind::zeros;
  return kind_of_text(text);
}

ContentKind content_kind(const fs::path& path) {
  std::error_code none;
  if (fs::exists(path, none) && !fs::is_regular_file(path, none)) return ContentKind::other;
  const Descriptor file(path);
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) throw_system("cannot read", path);
  std::array<std::byte, kContentLook> start{};
  std::array<std::byte, kContentLook> end{};
  const std::size_t n = file.read(start, 0);
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  const std::size_t m = file.read(end, size > end.size() ? size - end.size() : 0);
  return content_kind(std::span(start).first(n), std::span(end).first(m));
}

}  // namespace anemll
