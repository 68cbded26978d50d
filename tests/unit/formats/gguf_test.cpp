// GGUF: what a good file gives, and refusals of every kind of damage.
#include "anemll/formats/gguf.hpp"

#include "tests/support/gguf_writer.hpp"
#include "tests/support/memory_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/formats/tensors.hpp"

#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

GgufFile read(const std::string& bytes) {
  const MemoryFile file(bytes);
  return read_gguf(file.path());
}

void refused(const std::string& bytes, const std::string& reason) {
  BOOST_TEST_CONTEXT(reason) {
    BOOST_CHECK_EXCEPTION(read(bytes), Error, data_error_with(reason));
  }
}

std::string number(std::uint64_t value) {
  std::string out;
  GgufWriter::put(out, value);
  return out;
}

/// An array value: element type, count, bytes.
std::string array(std::uint32_t type, std::uint64_t count, const std::string& bytes) {
  std::string out;
  GgufWriter::put(out, type);
  return out + number(count) + bytes;
}

/// A file with one of everything, for truncation.
GgufWriter rich() {
  GgufWriter writer;
  writer.text("general.architecture", "llama")
      .u32("llama.block_count", 2)
      .f32("eps", 1e-5F)
      .boolean("flag", true);
  writer.texts("tokens", {"a", "", "bc"}).i32s("types", {1, 3, -1});
  const HostTensor a = patterned(DType::f32, {3, 4}, 1);
  const HostTensor b = patterned(DType::f16, {5}, 2);
  writer.plain("a", a).plain("b", b).tensor("q", 8, {2, 32}, std::string(68, '\3'));
  return writer;
}

constexpr std::uint32_t kF32 = 0;
constexpr std::uint32_t kQ8 = 8;

}  // namespace

BOOST_AUTO_TEST_SUITE(Formats)

BOOST_AUTO_TEST_CASE(gguf_gives_metadata_and_views) {
  GgufWriter writer(2);
  writer.scalar<std::uint8_t>("u8", 0, 200)
      .scalar<std::int8_t>("i8", 1, -3)
      .scalar<std::uint16_t>("u16", 2, 65535);
  writer.scalar<std::int16_t>("i16", 3, -300).u32("u32", 4000000000U).scalar<std::int32_t>("i32", 5, -7);
  writer.f32("f32", 0.1F).boolean("yes", true).text("text", "s p");
  writer.scalar<std::uint64_t>("u64", 10, ~std::uint64_t{0}).scalar<std::int64_t>("i64", 11, -9);
  writer.scalar<double>("f64", 12, 0.1).texts("texts", {"x", ""}).i32s("i32s", {1, -2});
  writer.raw("flags", 9, array(7, 2, std::string("\1\0", 2))).raw("none", 9, array(8, 0, ""));
  const HostTensor matrix = patterned(DType::f32, {3, 4}, 1);
  const HostTensor half = patterned(DType::f16, {2, 3}, 2);
  const GgufFile file = read(writer.plain("matrix", matrix).plain("half", half).bytes());

  BOOST_TEST(std::get<std::uint64_t>(*file.find("u8")) == 200U);
  BOOST_TEST(std::get<std::int64_t>(*file.find("i8")) == -3);
  BOOST_TEST(std::get<std::uint64_t>(*file.find("u16")) == 65535U);
  BOOST_TEST(std::get<std::int64_t>(*file.find("i16")) == -300);
  BOOST_TEST(std::get<std::uint64_t>(*file.find("u32")) == 4000000000U);
  BOOST_TEST(std::get<std::int64_t>(*file.find("i32")) == -7);
  BOOST_TEST(std::get<double>(*file.find("f32")) == static_cast<double>(0.1F));
  BOOST_TEST(std::get<bool>(*file.find("yes")));
  BOOST_TEST(std::get<std::string>(*file.find("text")) == "s p");
  BOOST_TEST(std::get<std::uint64_t>(*file.find("u64")) == ~std::uint64_t{0});
  BOOST_TEST(std::get<std::int64_t>(*file.find("i64")) == -9);
  BOOST_TEST(std::get<double>(*file.find("f64")) == 0.1);
  BOOST_TEST(std::get<std::vector<std::string>>(*file.find("texts")) == std::vector<std::string>({"x", ""}));
  BOOST_TEST(std::get<std::vector<std::int64_t>>(*file.find("i32s")) == std::vector<std::int64_t>({1, -2}));
  BOOST_TEST(std::get<std::vector<std::int64_t>>(*file.find("flags")) == std::vector<std::int64_t>({1, 0}));
  BOOST_TEST(std::get<std::vector<std::string>>(*file.find("none")).empty());
  BOOST_TEST(file.find("absent") == nullptr);
  BOOST_TEST(file.metadata.front().first == "u8");

  BOOST_REQUIRE_EQUAL(file.tensors.size(), 2U);
  BOOST_TEST(file.tensor("absent") == nullptr);
  const HostTensor view = dequantise(file, *file.tensor("matrix"));
  BOOST_TEST(same_bits(view, matrix));
  BOOST_TEST(view.data == file.tensor("matrix")->data.data());  // no copy
  BOOST_TEST(same_bits(dequantise(file, *file.tensor("half")), half));
}

BOOST_AUTO_TEST_CASE(gguf_alignment) {
  const HostTensor one = patterned(DType::f16, {3}, 1);
  const HostTensor two = patterned(DType::f32, {2}, 2);
  for (const std::uint32_t alignment : {1U, 2U, 8U, 64U, 4096U}) {
    GgufWriter writer(3, alignment);
    writer.u32("general.alignment", alignment).plain("one", one).plain("two", two);
    const GgufFile file = read(writer.bytes());
    // At 1 and 2 bytes the elements lie askew in the map, and a copy is handed out.
    const HostTensor got = dequantise(file, *file.tensor("two"));
    BOOST_TEST(same_bits(got, two));
    BOOST_TEST(reinterpret_cast<std::uintptr_t>(got.data) % sizeof(float) == 0U);
    BOOST_TEST(same_bits(dequantise(file, *file.tensor("one")), one));
  }
  for (const std::uint32_t wrong : {0U, 3U, 33U, 0xffffffffU}) {
    refused(GgufWriter().u32("general.alignment", wrong).bytes(), "power of two");
  }
  refused(GgufWriter().text("general.alignment", "32").bytes(), "power of two");
  refused(GgufWriter().scalar<std::uint64_t>("general.alignment", 10, std::uint64_t{1} << 63).bytes(),
          "power of two");
  // 2^31 puts the data far behind the end.
  refused(GgufWriter().u32("general.alignment", 1U << 31).plain("t", one).bytes(), "beyond the end");
}

BOOST_AUTO_TEST_CASE(gguf_is_recognised) {
  const TempDir folder;
  store_file(folder / "plain.bin", rich().bytes());
  store_file(folder / "other.bin", "GGU");
  BOOST_TEST(is_gguf(folder / "plain.bin"));
  BOOST_TEST(!is_gguf(folder / "other.bin"));
  BOOST_TEST(!is_gguf(folder.path()));
  BOOST_TEST(!is_gguf(folder / "absent"));
  BOOST_TEST(is_gguf(folder / "absent.gguf"));  // so that the reader says what is wrong
  BOOST_CHECK_EXCEPTION(read_gguf(folder / "absent.gguf"), Error, data_error_with(""));
  std::filesystem::create_directory(folder / "folder.gguf");
  BOOST_TEST(!is_gguf(folder / "folder.gguf"));
}

BOOST_AUTO_TEST_CASE(gguf_refuses_other_files) {
  refused("", "not a GGUF file");
  refused("GGU", "not a GGUF file");
  refused(std::string("GGML") + std::string(60, '\0'), "not a GGUF file");
  const auto version = [](std::uint32_t v) { return GgufWriter(v).bytes(); };
  refused(version(1), "version 1");
  refused(version(4), "version 4");
  refused(version(0), "version 0");
  refused(version(0x03000000), "big-endian");
  refused(version(0x02000000), "big-endian");
}

BOOST_AUTO_TEST_CASE(gguf_parts_of_a_model_are_joined) {
  const TempDir folder;
  const HostTensor one = patterned(DType::f32, {3, 4}, 1), two = patterned(DType::f16, {5}, 2);
  const auto part = [](std::uint16_t index, std::uint16_t count) {
    constexpr std::uint32_t kU16 = 2;
    GgufWriter writer;
    writer.scalar("split.no", kU16, index).scalar("split.count", kU16, count);
    return writer.scalar<std::int32_t>("split.tensors.count", 5, 2);
  };
  const auto write = [&](GgufWriter writer, const char* name) { writer.write(folder / name); };
  const auto read_first = [&] { return read_gguf(folder / "m-00001-of-00002.gguf"); };
  const auto refused_parts = [&](const std::string& reason) {
    BOOST_CHECK_EXCEPTION(read_first(), Error, data_error_with(reason));
  };
  write(part(0, 2).text("general.architecture", "llama").plain("one", one), "m-00001-of-00002.gguf");
  refused_parts("another part is missing: m-00002-of-00002.gguf");
  write(part(1, 2).plain("two", two), "m-00002-of-00002.gguf");
  const GgufFile file = read_first();
  BOOST_REQUIRE_EQUAL(file.tensors.size(), 2U);
  BOOST_TEST(file.maps.size() == 2U);
  BOOST_TEST(same_bits(dequantise(file, *file.tensor("one")), one));
  BOOST_TEST(same_bits(dequantise(file, *file.tensor("two")), two));
  BOOST_TEST(std::get<std::string>(*file.find("general.architecture")) == "llama");
  BOOST_CHECK_EXCEPTION(read_gguf(folder / "m-00002-of-00002.gguf"), Error, data_error_with("part 2 of 2"));

  write(part(1, 2).plain("one", two), "m-00002-of-00002.gguf");
  refused_parts("tensor one is in an earlier part");
  write(part(1, 2).plain("two", two).plain("three", two), "m-00002-of-00002.gguf");
  refused_parts("3 tensors");
  write(part(1, 2).text("general.architecture", "qwen2").plain("two", two), "m-00002-of-00002.gguf");
  refused_parts("the first part does not say the same");
  write(part(0, 2).plain("two", two), "m-00002-of-00002.gguf");
  refused_parts("not part 2 of 2");
  write(part(0, 2).plain("one", one), "other.gguf");
  BOOST_CHECK_EXCEPTION(read_gguf(folder / "other.gguf"), Error, data_error_with("its name does not say so"));
  BOOST_TEST(read(part(0, 1).plain("one", one).plain("two", two).bytes()).tensors.size() == 2U);
}

BOOST_AUTO_TEST_CASE(gguf_refuses_every_truncation) {
  const std::string whole = rich().bytes();
  BOOST_TEST(read(whole).tensors.size() == 3U);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    BOOST_TEST_CONTEXT(size) {
      BOOST_CHECK_EXCEPTION(read(whole.substr(0, size)), Error, data_error_with(""));
    }
  }
}

BOOST_AUTO_TEST_CASE(gguf_refuses_huge_counts) {
  constexpr std::uint64_t kHuge = ~std::uint64_t{0};
  const std::string magic("GGUF\3\0\0\0", 8);
  for (const std::uint64_t count : {kHuge, kHuge / 24, std::uint64_t{1} << 40, std::uint64_t{1000}}) {
    refused(magic + number(count) + number(0) + std::string(100, '\0'), "tensors");
    refused(magic + number(0) + number(count) + std::string(100, '\0'), "metadata keys");
    // A key, then a string, then arrays of that length.
    const std::string one_key = magic + number(0) + number(1);
    refused(one_key + number(count) + std::string(20, 'x'), count > 65535 ? "claims" : "cut off");
    refused(GgufWriter().raw("k", 8, number(count)).bytes(), "cut off");
    for (const std::uint32_t type : {0U, 2U, 6U, 8U, 10U}) {
      refused(GgufWriter().raw("k", 9, array(type, count, "abc")).bytes(), "elements");
    }
  }
  const std::string many = array(0, (1U << 24) + 1, std::string((1U << 24) + 1, '\1'));
  refused(GgufWriter().raw("k", 9, many).bytes(), "together");
}

BOOST_AUTO_TEST_CASE(gguf_refuses_bad_metadata) {
  refused(GgufWriter().u32("k", 1).u32("k", 2).bytes(), "metadata k is there twice");
  refused(GgufWriter().raw("k", 13, "").bytes(), "unknown value type 13");
  refused(GgufWriter().raw("k", 9, array(9, 0, "")).bytes(), "array of arrays");
  refused(GgufWriter().raw("k", 9, array(77, 0, "")).bytes(), "unknown value type 77");
  refused(GgufWriter().raw("k", 7, "\2").bytes(), "neither true nor false");
  refused(GgufWriter().raw("k", 9, array(7, 2, "\1\2")).bytes(), "neither true nor false");
  refused(GgufWriter().raw("k", 9, array(10, 1, number(~std::uint64_t{0}))).bytes(), "too large");
  refused(GgufWriter().u32("k\xff", 1).bytes(), "not UTF-8");
}

BOOST_AUTO_TEST_CASE(gguf_refuses_bad_tensors) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const std::string data(256, '\1');
  const auto directory = [&](std::uint32_t type, const std::vector<std::int64_t>& dimensions,
                             std::uint64_t offset) {
    return GgufWriter().directory("t", type, dimensions, offset).data(data).bytes();
  };
  BOOST_TEST(read(directory(kF32, {64}, 0)).tensors.front().data.size() == 256U);
  BOOST_TEST(read(directory(kF32, {}, 0)).tensors.front().data.size() == 4U);
  BOOST_TEST(read(directory(kF32, {0, 5}, 32)).tensors.front().data.empty());
  refused(directory(kF32, {65}, 0), "beyond the end");
  refused(directory(kF32, {64}, 32), "beyond the end");
  refused(directory(kF32, {1}, 4), "not a multiple of the alignment");
  // Offsets and sizes that would wrap around.
  for (const std::uint64_t offset : {~std::uint64_t{31}, std::uint64_t{1} << 63, std::uint64_t{1} << 40}) {
    refused(directory(kF32, {1}, offset), "beyond the end");
  }
  refused(directory(kF32, {kMost}, 0), "overflows");
  refused(directory(kF32, {kMost / 4}, 0), "beyond the end");
  refused(directory(kF32, {-1}, 0), "overflows");
  refused(directory(kF32, {std::int64_t{1} << 32, std::int64_t{1} << 32}, 0), "overflows");
  refused(directory(kF32, {std::int64_t{1} << 32, std::int64_t{1} << 32, 0}, 0), "overflows");
  refused(directory(kQ8, {kMost - 31, 1}, 0), "overflows");
  refused(directory(kF32, {1, 1, 1, 1, 1}, 0), "5 dimensions");
  refused(directory(kQ8, {33}, 0), "do not divide");
  refused(directory(14, {128, 2}, 0), "do not divide");

  refused(GgufWriter().directory("t", kF32, {1}, 0).directory("t", kF32, {1}, 32).data(data).bytes(),
          "tensor t is there twice");
  refused(GgufWriter().directory("a", kF32, {9}, 0).directory("b", kF32, {1}, 32).data(data).bytes(),
          "overlap");
  refused(GgufWriter().directory("b", kF32, {1}, 32).directory("a", kF32, {9}, 0).data(data).bytes(),
          "overlap");
  refused(GgufWriter().directory("a", kF32, {1}, 0).directory("b", kF32, {1}, 0).data(data).bytes(),
          "overlap");
  refused(GgufWriter().directory("\xc0\x80", kF32, {1}, 0).data(data).bytes(), "not UTF-8");
  // Gaps are harmless.
  BOOST_TEST(read(GgufWriter().directory("a", kF32, {8}, 0).directory("b", kF32, {8}, 96).data(data).bytes())
                 .tensors.size() == 2U);
}

BOOST_AUTO_TEST_CASE(gguf_refuses_unknown_types_when_asked_for) {
  const std::string data(256, '\1');
  const GgufFile file = read(GgufWriter()
                                 .directory("q1", 41, {128}, 0)
                                 .directory("f", kF32, {8}, 64)
                                 .directory("n", 999, {1}, 128)
                                 .data(data)
                                 .bytes());
  BOOST_TEST(file.tensor("q1")->data.size() == 64U);
  BOOST_TEST(file.tensor("n")->data.size() == 128U);
  BOOST_TEST(dequantise(file, *file.tensor("f")).numel() == 8);
  BOOST_CHECK_EXCEPTION(dequantise(file, *file.tensor("q1")), Error,
                        data_error_with("tensor q1 has the type Q1_0"));
  BOOST_CHECK_EXCEPTION(dequantise(file, *file.tensor("n")), Error, data_error_with("number 999"));
  // Forms that no file should hold, integers, and one that the Python package cannot read either.
  const std::pair<std::uint32_t, const char*> others[] = {{4, "Q4_2"}, {9, "Q8_1"},      {15, "Q8_K"},
                                                          {24, "I8"},  {25, "I16"},      {26, "I32"},
                                                          {27, "I64"}, {31, "Q4_0_4_4"}, {41, "Q1_0"}};
  for (const auto& [number, name] : others) {
    BOOST_TEST(!known_gguf_type(number).has_value());
    BOOST_TEST(gguf_type_name(number) == name);
  }
  BOOST_TEST(name_of(*known_gguf_type(12)) == "Q4_K");
}

BOOST_AUTO_TEST_CASE(gguf_survives_flipped_bytes) {
  // Whatever a damaged byte makes of the file: tensors inside it, or a data error.
  const std::string whole = rich().bytes();
  int accepted = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const unsigned flip : {0x01U, 0x80U, 0xffU}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ flip);
      try {
        const GgufFile file = read(bytes);
        for (const GgufTensor& tensor : file.tensors) {
          if (known_gguf_type(tensor.type)) BOOST_CHECK(dequantise(file, tensor).shape == tensor.shape);
        }
        ++accepted;
      } catch (const Error& error) {
        BOOST_CHECK(error.code() == ExitCode::data && !error.hint().empty());
      }
    }
  }
  BOOST_TEST(accepted > 0);
}

BOOST_AUTO_TEST_SUITE_END()
