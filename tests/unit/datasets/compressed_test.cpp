// .gz, .zst, .bz2 and .xz of text files: any number of members, and damaged ones.
#include "src/datasets/internal/byte_source.hpp"
#include "tests/unit/datasets/support.hpp"

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

using namespace anemll;
using namespace anemll::test;

namespace {

std::string gzip(const std::string& text) {
  constexpr int kGzip = 16;
  z_stream state{};
  BOOST_REQUIRE(::deflateInit2(&state, 6, Z_DEFLATED, MAX_WBITS + kGzip, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string in = text;
  std::string out(::deflateBound(&state, text.size()) + 32, '\0');
  state.next_in = reinterpret_cast<Bytef*>(in.data());
  state.avail_in = static_cast<uInt>(in.size());
  state.next_out = reinterpret_cast<Bytef*>(out.data());
  state.avail_out = static_cast<uInt>(out.size());
  BOOST_REQUIRE(::deflate(&state, Z_FINISH) == Z_STREAM_END);
  out.resize(state.total_out);
  ::deflateEnd(&state);
  return out;
}

std::string zstd(const std::string& text) {
  ZSTD_CCtx* state = ::ZSTD_createCCtx();
  ::ZSTD_CCtx_setParameter(state, ZSTD_c_checksumFlag, 1);  // as the zstd program does
  std::string out(::ZSTD_compressBound(text.size()), '\0');
  out.resize(::ZSTD_compress2(state, out.data(), out.size(), text.data(), text.size()));
  ::ZSTD_freeCCtx(state);
  return out;
}

std::string bzip2(const std::string& text) {
  std::string in = text;
  auto size = static_cast<unsigned>(text.size() + text.size() / 100 + 700);
  std::string out(size, '\0');
  BOOST_REQUIRE(::BZ2_bzBuffToBuffCompress(out.data(), &size, in.data(), static_cast<unsigned>(in.size()), 1,
                                           0, 0) == BZ_OK);
  out.resize(size);
  return out;
}

std::string xz(const std::string& text) {
  std::string out(::lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t size = 0;
  BOOST_REQUIRE(::lzma_easy_buffer_encode(
                    0, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()),
                    text.size(), reinterpret_cast<std::uint8_t*>(out.data()), &size, out.size()) == LZMA_OK);
  out.resize(size);
  return out;
}

std::string pack(const std::string& text, const std::string& extension) {
  if (extension == ".bz2") return bzip2(text);
  if (extension == ".xz") return xz(text);
  return extension == ".gz" ? gzip(text) : zstd(text);
}

/// Lines that do not compress to nothing: several blocks of input and output.
std::string many_lines(int n) {
  std::string out;
  std::uint64_t x = 1;
  for (int i = 0; i < n; ++i) {
    x = x * 6364136223846793005ULL + 1442695040888963407ULL;
    out += "{\"text\": \"" + std::to_string(i) + " " + std::to_string(x) + "\"}\n";
  }
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_compressed)

BOOST_AUTO_TEST_CASE(every_kind_of_text) {
  for (const std::string extension : {".gz", ".zst", ".bz2", ".xz"}) {
    const TempDir folder;
    const std::string lines = many_lines(40000);
    write(folder / ("a.jsonl" + extension), pack(lines, extension));
    write(folder / "a.jsonl", lines);
    const auto packed = texts(read_all(folder / ("a.jsonl" + extension), in_order()));
    BOOST_REQUIRE_EQUAL(packed.size(), 40000U);
    BOOST_TEST((packed == texts(read_all(folder / "a.jsonl", in_order()))));
    write(folder / ("b.json" + extension), pack("{\"data\": [{\"text\": \"b\"}]}", extension));
    BOOST_TEST(read_all(folder / ("b.json" + extension), in_order()).at(0).text == "b");
    write(folder / ("c.txt" + extension), pack("c", extension));
    BOOST_TEST(read_all(folder / ("c.txt" + extension), in_order()).at(0).text == "c");
    write(folder / ("d.txt" + extension), pack("", extension));
    expect_data_error({"no text in it"}, [&] { read_all(folder / ("d.txt" + extension), in_order()); });
  }
}

BOOST_AUTO_TEST_CASE(members_one_after_the_other) {
  for (const std::string extension : {".gz", ".zst", ".bz2", ".xz"}) {
    const TempDir folder;
    const auto path = folder / ("a.jsonl" + extension);
    write(path, pack("{\"text\": \"a", extension) + pack("", extension) + pack("b\"}\n", extension));
    BOOST_TEST(read_all(path, in_order()).at(0).text == "ab");
  }
}

BOOST_AUTO_TEST_CASE(zeros_after_a_gzip_member) {
  const TempDir folder;
  const auto path = folder / "a.jsonl.GZ";
  const std::string zeros(300'000, '\0');  // more than one block of input
  write(path, gzip("{\"text\": \"a") + zeros + gzip("b\"}\n") + zeros);
  BOOST_TEST(read_all(path, in_order()).at(0).text == "ab");
  write(path, gzip("{\"text\": \"a\"}\n") + zeros + "x");
  expect_data_error({"too early"}, [&] { read_all(path, in_order()); });
  write(path, std::string(1, '\0') + gzip("{\"text\": \"a\"}\n"));
  expect_data_error({"not good gzip data"}, [&] { read_all(path, in_order()); });
}

BOOST_AUTO_TEST_CASE(one_byte_at_a_time) {
  for (const std::string extension : {".gz", ".zst", ".bz2", ".xz"}) {
    const TempDir folder;
    const std::string text = many_lines(50);
    write(folder / ("a" + extension), pack(text, extension));
    const auto source = datasets::open_bytes(folder / ("a" + extension));
    std::string read;
    for (char c = 0; source->read({&c, 1}) == 1;) read += c;
    BOOST_TEST(read == text);
    char c = 0;
    BOOST_TEST(source->read({&c, 1}) == 0U);
  }
}

BOOST_AUTO_TEST_CASE(damaged) {
  for (const std::string extension : {".gz", ".zst", ".bz2", ".xz"}) {
    const TempDir folder;
    const auto path = folder / ("a.jsonl" + extension);
    const std::string whole = pack(many_lines(2000), extension);
    // Every place where a copy may have stopped, in and around headers and trailers, and some between.
    for (std::size_t n = 0; n < whole.size(); n += n < 40 || n + 40 > whole.size() ? 1U : 997U) {
      write(path, whole.substr(0, n));
      expect_data_error({path.string(), "too early"}, [&] { read_all(path, in_order()); });
    }
    std::string flipped = whole;
    flipped[whole.size() / 2] = static_cast<char>(flipped[whole.size() / 2] ^ 0x55);
    flipped[whole.size() / 2 + 1] = static_cast<char>(flipped[whole.size() / 2 + 1] ^ 0x55);
    write(path, flipped);
    expect_data_error({path.string()}, [&] { read_all(path, in_order()); });
    write(path, many_lines(3));  // the name is a hint only
    BOOST_TEST(read_all(path, in_order()).size() == 3U);
    write(path, whole + "garbage");
    expect_data_error({path.string()}, [&] { read_all(path, in_order()); });
  }
}

BOOST_AUTO_TEST_SUITE_END()
