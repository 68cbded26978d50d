// Safetensors: the header grammar by hand-made files, the writer by its own bytes and by reading back.
#include "anemll/formats/safetensors.hpp"

#include "tests/support/temp_dir.hpp"
#include "tests/unit/formats/tensors.hpp"

#include <algorithm>
#include <random>
#include <string>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

std::string with_length(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string out(reinterpret_cast<const char*>(&length), sizeof(length));
  return out.append(header).append(data);
}

SafetensorsFile read_header(const std::string& header, std::size_t data_bytes) {
  const TempDir folder;
  store_file(folder / "x.safetensors", with_length(header, std::string(data_bytes, '\1')));
  return read_safetensors(folder / "x.safetensors");
}

void refused(const std::string& header, std::size_t data_bytes, const std::string& reason) {
  BOOST_TEST_CONTEXT(header) {
    BOOST_CHECK_EXCEPTION(read_header(header, data_bytes), Error, data_error_with(reason));
  }
}

std::string header_of(const std::string& file) {
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  return file.substr(sizeof(length), length);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(Formats)

BOOST_AUTO_TEST_CASE(safetensors_header_accepts) {
  BOOST_TEST(read_header("{}", 0).tensors.empty());
  BOOST_TEST(read_header("{\"__metadata__\":null}", 0).metadata.empty());
  BOOST_TEST(read_header("{\"__metadata__\":{\"a\":\"b\"}} \n\t ", 0).metadata.at("a") == "b");
  // Unknown fields of any kind are skipped, whatever they contain.
  const SafetensorsFile file = read_header(
      R"({"t":{"x":{"dtype":[{"shape":1}]},"dtype":"U8","y":[[-1,2.5],null],"shape":[3],"z":-1,"data_offsets":[0,3]}})",
      3);
  BOOST_TEST(file.tensors.find("t")->describe() == "uint8[3]");
}

BOOST_AUTO_TEST_CASE(safetensors_header_refuses) {
  const std::string good = R"("dtype":"U8","shape":[1],"data_offsets":[0,1])";
  refused("[]", 0, "begin with");
  refused("", 0, "begin with");
  refused("{}{}", 0, "valid JSON");
  refused(std::string("{}\0\0", 4), 0, "NUL");
  refused("{\"a\":1}", 0, "must be an object");
  refused("{\"a\":[]}", 0, "must be an object");
  refused("{\"a\":null}", 0, "must be an object");
  refused("{\"a\":{}}", 0, "lacks");
  refused(R"({"a":{"dtype":"U8","shape":[1]}})", 1, "lacks");
  refused("{\"a\":{" + good + R"(,"shape":[1]}})", 1, "two fields 'shape'");
  refused("{\"a\":{" + good + "},\"a\":{" + good + "}}", 1, "duplicate key 'a'");
  refused(R"({"__metadata__":{},"__metadata__":{}})", 0, "duplicate key '__metadata__'");
  refused(R"({"__metadata__":{"k":"1","k":"1"}})", 0, "duplicate metadata key 'k'");
  refused(R"({"__metadata__":{"k":{}}})", 0, "must be a string");
  refused(R"({"__metadata__":"x"})", 0, "must be an object");
  refused(R"({"a":{"dtype":3,"shape":[1],"data_offsets":[0,1]}})", 1, "'dtype'");
  refused(R"({"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})", 1, "'shape'");
  refused(R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", 1, "'shape'");
  refused(R"({"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}})", 1, "'shape'");
  refused(R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1, "'shape'");
  refused(R"({"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}})", 0, "negative");
  refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1, "two numbers");
  refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1, "two numbers");
  refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,99999999999999999999]}})", 1, "'data_offsets'");
  refused(R"({"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,1]}})", 1, "overflows");
  refused(R"({"a":{"dtype":"U8","shape":[4611686018427387904,4,0],"data_offsets":[0,0]}})", 0, "overflows");
  refused(R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1, "unsupported dtype 'F8_E4M3'");
  refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2, "hole");
  refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1, "hole");
  refused(
      R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}})",
      1, "occupies 1 bytes");
  refused("{\"a\":{" + good + "}", 1, "valid JSON");
  refused("{\"\xff\":{" + good + "}}", 1, "valid JSON");
}

BOOST_AUTO_TEST_CASE(safetensors_header_length_limits) {
  const TempDir folder;
  const auto path = folder / "x.safetensors";
  const auto length_only = [&](std::uint64_t length) {
    store_file(path, std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + "{}");
  };
  length_only(100'000'001);
  BOOST_CHECK_EXCEPTION(read_safetensors(path), Error, data_error_with("more than the format allows"));
  length_only(~std::uint64_t{0});
  BOOST_CHECK_EXCEPTION(read_safetensors(path), Error, data_error_with("more than the format allows"));
  length_only(3);
  BOOST_CHECK_EXCEPTION(read_safetensors(path), Error, data_error_with("cut off"));
  BOOST_CHECK_EXCEPTION(read_safetensors(folder / "none"), Error, data_error_with("none"));
}

BOOST_AUTO_TEST_CASE(safetensors_unaligned_tensors_are_copied) {
  const SafetensorsFile file = read_header(
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})",
      9);
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(file.tensors.find("b")->data) % alignof(float) == 0u);
  BOOST_TEST(elements(*file.tensors.find("b"))[1] == static_cast<double>(std::bit_cast<float>(0x01010101u)));
}

BOOST_AUTO_TEST_CASE(safetensors_round_trip) {
  std::vector<LazyTensor> tensors;
  unsigned seed = 0;
  for (const DType dtype : kAllDTypes) {
    const std::string name(name_of(dtype));
    tensors.push_back(lazy(name + ".matrix", patterned(dtype, {3, 5}, ++seed)));
    tensors.push_back(lazy(name + ".scalar", patterned(dtype, {}, ++seed)));
    tensors.push_back(lazy(name + ".empty", patterned(dtype, {4, 0, 2}, ++seed)));
  }
  HostTensor view = patterned(DType::f32, {4, 6}, 99);
  view.shape = {6, 4};
  view.strides = {1, 6};
  tensors.push_back(lazy("transposed \"\\\n\xc3\xa9", view));

  const TempDir folder;
  const auto path = folder / "x.safetensors";
  std::shuffle(tensors.begin(), tensors.end(), std::mt19937(7));
  write_safetensors(path, tensors, {{"origin", "caf\xc3\xa9"}});
  const SafetensorsFile file = read_safetensors(path);
  BOOST_TEST(file.metadata.size() == 2u);
  BOOST_TEST(file.metadata.at("format") == "pt");
  BOOST_TEST(file.metadata.at("origin") == "caf\xc3\xa9");
  BOOST_TEST(file.tensors.size() == tensors.size());
  for (const LazyTensor& tensor : tensors) {
    BOOST_TEST_CONTEXT(tensor.name) {
      const HostTensor* read = file.tensors.find(tensor.name);
      BOOST_TEST_REQUIRE(read != nullptr);
      BOOST_TEST(same_bits(*read, tensor.make()));
    }
  }
  // The order of the input does not matter.
  const std::string first = load_file(path);
  std::reverse(tensors.begin(), tensors.end());
  write_safetensors(path, tensors, {{"origin", "caf\xc3\xa9"}});
  BOOST_TEST(load_file(path) == first);
}

// Layout and header text are those of safetensors 0.8 for the same tensors.
BOOST_AUTO_TEST_CASE(safetensors_writer_layout) {
  const std::vector<LazyTensor> tensors = {
      lazy("b", patterned(DType::boolean, {1}, 0)), lazy("z", patterned(DType::f32, {2}, 1)),
      lazy("a", patterned(DType::f32, {1}, 2)),     lazy("i", patterned(DType::i64, {1}, 3)),
      lazy("h", patterned(DType::bf16, {2}, 4)),    lazy("u", patterned(DType::u8, {2}, 5))};
  const TempDir folder;
  write_safetensors(folder / "x.safetensors", tensors);
  const std::string file = load_file(folder / "x.safetensors");
  std::string expected =
      R"({"__metadata__":{"format":"pt"},"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"z":{"dtype":"F32","shape":[2],"data_offsets":[12,20]},)"
      R"("h":{"dtype":"BF16","shape":[2],"data_offsets":[20,24]},"u":{"dtype":"U8","shape":[2],"data_offsets":[24,26]},)"
      R"("b":{"dtype":"BOOL","shape":[1],"data_offsets":[26,27]}})";
  expected.resize((expected.size() + 7) / 8 * 8, ' ');
  BOOST_TEST(header_of(file) == expected);
  BOOST_TEST(file.size() == 8 + expected.size() + 27);
}

BOOST_AUTO_TEST_CASE(safetensors_aliases_are_written_out) {
  std::vector<LazyTensor> tensors = {lazy("embed", patterned(DType::f32, {2, 3}, 1))};
  tensors.push_back({"head", DType::f32, {2, 3}, {}, "embed"});
  const TempDir folder;
  write_safetensors(folder / "x.safetensors", tensors);
  const SafetensorsFile file = read_safetensors(folder / "x.safetensors");
  BOOST_TEST(same_bits(*file.tensors.find("head"), *file.tensors.find("embed")));
}

BOOST_AUTO_TEST_CASE(safetensors_writer_refuses) {
  const TempDir folder;
  const auto path = folder / "x.safetensors";
  const auto attempt = [&](std::vector<LazyTensor> tensors, const std::string& reason) {
    BOOST_TEST_CONTEXT(reason) {
      BOOST_CHECK_EXCEPTION(write_safetensors(path, tensors), Error, [&](const Error& error) {
        return error.code() == ExitCode::data && !error.hint().empty() &&
               std::string(error.what()).find(reason) != std::string::npos;
      });
      BOOST_TEST(std::filesystem::is_empty(folder.path()));  // not even a temporary file
    }
  };
  const HostTensor small = patterned(DType::f32, {2}, 1);
  attempt({lazy("a", small), lazy("a", small)}, "name 'a'");
  attempt({lazy("__metadata__", small)}, "__metadata__");
  attempt({lazy("", small)}, "empty");
  attempt({lazy("\xff", small)}, "UTF-8");
  LazyTensor lying = lazy("a", small);
  lying.shape = {3};
  attempt({lying}, "turned out as float32[2]");
  lying.make = [] { return HostTensor::zeros(DType::i32, {3}); };
  attempt({lying}, "turned out as int32[3]");
  lying.make = []() -> HostTensor { throw_data("no such source", "a", "none"); };
  attempt({lying}, "no such source");
  lying.make = nullptr;
  attempt({lying}, "no content");
  lying.shape = {-1};
  attempt({lying}, "impossible shape");
  attempt({lazy("a", small), {"b", DType::f32, {3}, {}, "a"}}, "differs in type or size");
  attempt({{"b", DType::f32, {2}, {}, "a"}, lazy("a", small)}, "does not come before");
}

BOOST_AUTO_TEST_SUITE_END()
