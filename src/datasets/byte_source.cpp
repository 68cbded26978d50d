#include "src/datasets/internal/byte_source.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/shell_word.hpp"
#include "src/core/system_error.hpp"
#include "src/datasets/internal/file_kinds.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bzlib.h>
#include <fcntl.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

namespace anemll::datasets {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kBlock = std::size_t{1} << 18;        // of unpacked bytes
constexpr std::size_t kPackedBlock = std::size_t{1} << 16;  // of a file

class PlainBytes final : public ByteSource {
 public:
  explicit PlainBytes(fs::path path) : path_(std::move(path)) {
    fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat facts {};
    if (fd_ < 0 || ::fstat(fd_, &facts) != 0) fail("cannot open");
    if (S_ISDIR(facts.st_mode))
      throw_data("is a folder, not a file", path_.string(),
                 "name a file in it: ls " + shell_word(path_.string()));
  }
  ~PlainBytes() override {
    if (fd_ >= 0) ::close(fd_);
  }
  PlainBytes(const PlainBytes&) = delete;
  PlainBytes& operator=(const PlainBytes&) = delete;

  std::size_t read(std::span<char> out) override {
    for (;;) {
      const ssize_t n = ::read(fd_, out.data(), out.size());
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) fail("cannot read");
    }
  }

 private:
  [[noreturn]] void fail(const std::string& action) {
    const std::error_code why(errno, std::generic_category());
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    throw_system(action, path_, why);
  }
  fs::path path_;
  int fd_ = -1;
};

/// What both decoders share: a block of compressed input and where it stands in the file.
class PackedInput {
 public:
  PackedInput(const fs::path& path, std::string program)
      : path_(path), program_(std::move(program)), file_(path), block_(kPackedBlock) {}

  bool empty() const { return used_ == size_; }
  /// False at the end of the file.
  bool refill() {
    before_ += size_;
    used_ = 0;
    size_ = file_.read(block_);
    return size_ != 0;
  }
  std::span<char> rest() { return std::span(block_).subspan(used_, size_ - used_); }
  void consume(std::size_t n) { used_ += n; }
  bool nothing_yet() const { return before_ + used_ == 0; }

  [[noreturn]] void fail(const std::string& what) const {
    throw_data(
        what + strf(" (byte %llu of the compressed file)", static_cast<unsigned long long>(before_) + used_),
        path_.string(),
        "the file is damaged or was not copied whole: fetch it again; this tests it: " + program_ + " -t " +
            shell_word(path_.string()));
  }

 private:
  fs::path path_;
  std::string program_;  ///< that tests such files
  PlainBytes file_;
  std::vector<char> block_;
  std::size_t used_ = 0;
  std::size_t size_ = 0;
  std::uint64_t before_ = 0;
};

class GzipBytes final : public ByteSource {
 public:
  explicit GzipBytes(const fs::path& path) : input_(path, "gzip") {
    constexpr int kGzipOnly = 16;
    if (::inflateInit2(&state_, MAX_WBITS + kGzipOnly) != Z_OK) input_.fail("zlib cannot start");
  }
  ~GzipBytes() override { ::inflateEnd(&state_); }
  GzipBytes(const GzipBytes&) = delete;
  GzipBytes& operator=(const GzipBytes&) = delete;

  std::size_t read(std::span<char> out) override {
    const std::size_t want = std::min(out.size(), kBlock);
    state_.next_out = reinterpret_cast<Bytef*>(out.data());
    state_.avail_out = static_cast<uInt>(want);
    while (state_.avail_out == want) {
      if (input_.empty() && !input_.refill()) {
        if (inside_ || input_.nothing_yet()) input_.fail("the gzip data end too early");
        return 0;
      }
      // Tar and tapes fill the last block up.
      if (!inside_ && !input_.nothing_yet() && input_.rest().front() == '\0') {
        input_.consume(1);
        continue;
      }
      if (!inside_ && ::inflateReset(&state_) != Z_OK) input_.fail("zlib cannot start");
      inside_ = true;
      const std::span<char> rest = input_.rest();
      state_.next_in = reinterpret_cast<Bytef*>(rest.data());
      state_.avail_in = static_cast<uInt>(rest.size());
      const int status = ::inflate(&state_, Z_NO_FLUSH);
      input_.consume(rest.size() - state_.avail_in);
      if (status == Z_STREAM_END) {
        inside_ = false;
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        input_.fail(std::string("not good gzip data: ") +
                    (state_.msg != nullptr ? state_.msg : "zlib error"));
      }
    }
    return want - state_.avail_out;
  }

 private:
  PackedInput input_;
  z_stream state_{};
  bool inside_ = false;  ///< of a member: a file may hold several, one after the other
};

class ZstdBytes final : public ByteSource {
 public:
  explicit ZstdBytes(const fs::path& path) : input_(path, "zstd"), state_(::ZSTD_createDStream()) {
    if (state_ == nullptr) input_.fail("zstd cannot start");
  }
  ~ZstdBytes() override { ::ZSTD_freeDStream(state_); }
  ZstdBytes(const ZstdBytes&) = delete;
  ZstdBytes& operator=(const ZstdBytes&) = delete;

  std::size_t read(std::span<char> out) override {
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    while (to.pos == 0) {
      // A full output may have left decoded bytes behind, so an empty input is fed once before it counts as
      // the end.
      const bool ended = input_.empty() && !input_.refill();
      if (ended && (!inside_ || input_.nothing_yet())) {
        if (input_.nothing_yet()) input_.fail("the zstd data end too early");
        return 0;
      }
      const std::span<char> rest = input_.rest();
      ZSTD_inBuffer from{rest.data(), rest.size(), 0};
      const std::size_t status = ::ZSTD_decompressStream(state_, &to, &from);
      if (::ZSTD_isError(status) != 0)
        input_.fail(std::string("not good zstd data: ") + ::ZSTD_getErrorName(status));
      input_.consume(from.pos);
      inside_ = status != 0;
      if (ended && to.pos == 0 && inside_) input_.fail("the zstd data end too early");
    }
    return to.pos;
  }

 private:
  PackedInput input_;
  ZSTD_DStream* state_;
  bool inside_ = false;  ///< of a frame
};

class Bzip2Bytes final : public ByteSource {
 public:
  explicit Bzip2Bytes(const fs::path& path) : input_(path, "bzip2") {
    if (::BZ2_bzDecompressInit(&state_, 0, 0) != BZ_OK) input_.fail("bzip2 cannot start");
  }
  ~Bzip2Bytes() override { ::BZ2_bzDecompressEnd(&state_); }
  Bzip2Bytes(const Bzip2Bytes&) = delete;
  Bzip2Bytes& operator=(const Bzip2Bytes&) = delete;

  std::size_t read(std::span<char> out) override {
    const std::size_t want = std::min(out.size(), kBlock);
    state_.next_out = out.data();
    state_.avail_out = static_cast<unsigned>(want);
    while (state_.avail_out == want) {
      if (input_.empty() && !input_.refill()) {
        if (inside_ || input_.nothing_yet()) input_.fail("the bzip2 data end too early");
        return 0;
      }
      if (ended_) {  // another stream follows
        ::BZ2_bzDecompressEnd(&state_);
        state_.bzalloc = nullptr;
        state_.bzfree = nullptr;
        if (::BZ2_bzDecompressInit(&state_, 0, 0) != BZ_OK) input_.fail("bzip2 cannot start");
        ended_ = false;
      }
      inside_ = true;
      const std::span<char> rest = input_.rest();
      state_.next_in = rest.data();
      state_.avail_in = static_cast<unsigned>(rest.size());
      const int status = ::BZ2_bzDecompress(&state_);
      input_.consume(rest.size() - state_.avail_in);
      if (status == BZ_STREAM_END) {
        inside_ = false;
        ended_ = true;
      } else if (status != BZ_OK) {
        input_.fail("not good bzip2 data");
      }
    }
    return want - state_.avail_out;
  }

 private:
  PackedInput input_;
  bz_stream state_{};
  bool inside_ = false;  ///< of a stream
  bool ended_ = false;   ///< the last stream did
};

class XzBytes final : public ByteSource {
 public:
  explicit XzBytes(const fs::path& path) : input_(path, "xz") {
    // Room for the largest dictionary that xz makes; a hostile header must not ask for all memory.
    constexpr std::uint64_t kMaxMemory = std::uint64_t{1} << 31;
    if (::lzma_stream_decoder(&state_, kMaxMemory, LZMA_CONCATENATED) != LZMA_OK)
      input_.fail("xz cannot start");
  }
  ~XzBytes() override { ::lzma_end(&state_); }
  XzBytes(const XzBytes&) = delete;
  XzBytes& operator=(const XzBytes&) = delete;

  std::size_t read(std::span<char> out) override {
    state_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    state_.avail_out = out.size();
    while (state_.avail_out == out.size() && !ended_) {
      const bool last = input_.empty() && !input_.refill();
      if (last && input_.nothing_yet()) input_.fail("the xz data end too early");
      const std::span<char> rest = input_.rest();
      state_.next_in = reinterpret_cast<const std::uint8_t*>(rest.data());
      state_.avail_in = rest.size();
      const lzma_ret status = ::lzma_code(&state_, last ? LZMA_FINISH : LZMA_RUN);
      input_.consume(rest.size() - state_.avail_in);
      if (status == LZMA_STREAM_END) {
        ended_ = true;
      } else if (last && status == LZMA_BUF_ERROR) {
        input_.fail("the xz data end too early");
      } else if (status == LZMA_MEMLIMIT_ERROR) {
        input_.fail("the xz data ask for more than 2 GiB of memory");
      } else if (status != LZMA_OK) {
        input_.fail("not good xz data");
      }
    }
    return out.size() - state_.avail_out;
  }

 private:
  PackedInput input_;
  lzma_stream state_ = LZMA_STREAM_INIT;
  bool ended_ = false;
};

constexpr std::array<std::pair<std::string_view, ContentKind>, 4> kCompressions{{{"gz", ContentKind::gzip},
                                                                                 {"zst", ContentKind::zstd},
                                                                                 {"bz2", ContentKind::bzip2},
                                                                                 {"xz", ContentKind::xz}}};

/// Fewer bytes may as well be the front of a compressed file that was cut off.
bool looks_like_text(const fs::path& path) {
  constexpr std::size_t kLeast = 16;
  std::array<char, 512> front{};
  PlainBytes file(path);
  const std::size_t n = file.read(front);
  return n >= kLeast &&
         std::none_of(front.begin(), front.begin() + static_cast<std::ptrdiff_t>(n), [](char c) {
           return static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\r' && c != '\t';
         });
}

}  // namespace

bool is_compression(ContentKind kind) {
  return std::any_of(kCompressions.begin(), kCompressions.end(),
                     [&](const auto& one) { return one.second == kind; });
}

ContentKind compression_of(const fs::path& path) {
  const ContentKind kind = content_kind(path);
  if (is_compression(kind)) return kind;
  // Nothing that is known: text whatever the name says, or compressed data whose front is damaged.
  if (kind != ContentKind::other && kind != ContentKind::empty) return kind;
  for (const auto& [extension, named] : kCompressions)
    if (extension == extension_of(path) && !looks_like_text(path)) return named;
  return kind;
}

std::unique_ptr<ByteSource> open_bytes(const fs::path& path) {
  const ContentKind kind = compression_of(path);
  switch (kind) {
    case ContentKind::gzip:
      return std::make_unique<GzipBytes>(path);
    case ContentKind::zstd:
      return std::make_unique<ZstdBytes>(path);
    case ContentKind::bzip2:
      return std::make_unique<Bzip2Bytes>(path);
    case ContentKind::xz:
      return std::make_unique<XzBytes>(path);
    default:
      require_content(path, kind, {}, "a text file");
      return std::make_unique<PlainBytes>(path);
  }
}

}  // namespace anemll::datasets
