// Every refusal of the readers of tensor files has a way on: tests/support/refusals.hpp. The other tests of
// this program provoke them.
#include "tests/support/refusals.hpp"

#include "anemll/formats/gguf.hpp"
#include "anemll/formats/safetensors.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/unit/formats/archives.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace anemll::test {
namespace {

/// Messages of the sources that no input of a test provokes.
const std::map<std::string, std::string> kOutOfReach = {
    {"zlib cannot start", "memory is short"},
    {"the zip directory is damaged", "damaged_files_test changes every byte of such files"},
    {"the ZIP64 end record is out of place", "damaged_files_test changes every byte of such files"},
    {"the ZIP64 end record is missing", "damaged_files_test changes every byte of such files"},
    {"unknown version of the legacy format", "damaged_files_test changes every byte of such files"},
    {"there are bytes after the last storage", "damaged_files_test changes every byte of such files"},
    {"the list of storages is missing", "damaged_files_test changes every byte of such files"},
    {"the list of storages is damaged", "damaged_files_test changes every byte of such files"},
    {"the description of the writing system is missing",
     "damaged_files_test changes every byte of such files"},
    {"no tensor uses storage '", "damaged_files_test changes every byte of such files"},
    {"' is there twice", "damaged_files_test changes every byte of such files"},
    {"' has another size than the pickle says", "damaged_files_test changes every byte of such files"},
    {"the pickle rebuilds a tensor with an unexpected function", "a pickle that Python does not write"},
    {"the pickle holds a subclass of torch.Tensor", "a pickle that Python does not write"},
    {"the pickle has a storage of type ", "a pickle that Python does not write"},
    {"the pickle has a persistent id that is not a storage", "a pickle that Python does not write"},
    {"a tensor has more than ", "a pickle that Python does not write"},
    {"' has another type than its storage", "a pickle that Python does not write"},
    {" tensors, the next is '", "a file of 131,072 tensors"},
    {"' has a size that overflows", "a pickle that Python does not write"},
    {" without arguments", "a pickle that Python does not write"},
    {"the pickle has too many references", "a pickle that Python does not write"},
    {"the names need a larger header than the format allows", "of the writer: no file of a user"},
    {"the metadata is not UTF-8", "of the writer: no file of a user"},
    {"no tensor can have the name '__metadata__'", "of the writer: no file of a user"},
    {"a tensor's name is empty or not UTF-8", "of the writer: no file of a user"},
    {"', which does not come before it", "of the writer: no file of a user"},
    {"' turned out as ", "of the writer: no file of a user"},
    {"' has no content", "of the writer: no file of a user"},
    {"' has an impossible shape", "of the writer: no file of a user"},
    {"' differs in type or size from '", "of the writer: no file of a user"},
};

std::function<void(const TempDir&)> safetensors(const std::string& header) {
  return [=](const TempDir& folder) {
    const std::uint64_t size = header.size();
    store_file(folder / "x.safetensors",
               std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + header);
    read_safetensors(folder / "x.safetensors");
  };
}

std::function<void(const TempDir&)> gguf(const GgufWriter& writer) {
  return [=](const TempDir& folder) {
    writer.write(folder / "m.gguf");
    read_gguf(folder / "m.gguf");
  };
}

/// Two parts of a model.
std::function<void(const TempDir&)> parts(const char* first, const char* second) {
  return [=](const TempDir& folder) {
    const auto write = [&](std::uint16_t number, const char* family, const char* name) {
      constexpr std::uint32_t kU16 = 2;
      GgufWriter writer;
      writer.scalar("split.no", kU16, number).scalar("split.count", kU16, std::uint16_t{2});
      writer.text("general.architecture", family).write(folder / name);
    };
    write(0, first, "m-00001-of-00002.gguf");
    write(1, second, "m-00002-of-00002.gguf");
    read_gguf(folder / "m-00001-of-00002.gguf");
  };
}

std::function<void(const TempDir&)> state_dict(const std::string& opcodes,
                                               const std::vector<std::string>& storages = {}) {
  return [=](const TempDir& folder) {
    store_file(folder / "x.pt", torch_archive(opcodes, storages));
    read_state_dict(folder / "x.pt");
  };
}

std::vector<Refusal> refusals() {
  std::string shape = "1";
  for (int i = 0; i < 64; ++i) shape += ",1";
  const auto entry = [](const std::string& dims, const std::string& offsets) {
    return safetensors(R"({"w":{"dtype":"F32","shape":[)" + dims + R"(],"data_offsets":[)" + offsets + "]}}");
  };
  const auto field = [](const char* fields) { return safetensors(std::string(R"({"w":{)") + fields + "}}"); };
  constexpr std::uint32_t kI32 = 5;
  constexpr std::int64_t kLarge = std::int64_t{1} << 32;
  TensorOp outside;
  outside.offset = 2;
  return {
      {"shape of tensor 'w'", "more than 64", entry(shape, "0,4")},
      {"'w'", "lacks dtype", field(R"("shape":[1],"data_offsets":[0,4])")},
      {"'w'", "lacks shape", field(R"("dtype":"F32","data_offsets":[0,4])")},
      {"'w'", "lacks data_offsets", field(R"("dtype":"F32","shape":[1])")},
      {"shape of tensor 'w'", "[4611686018427387904, 4]", entry("4611686018427387904,4", "0,0")},
      {"'w'", "data_offsets [4, 0]",
       safetensors(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                   R"("w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})")},
      {"data_offsets of tensor 'w'", "not 3", entry("1", "0,4,8")},
      {"general.alignment", "24", gguf(GgufWriter().u32("general.alignment", 24))},
      {"split.count", "-2", gguf(GgufWriter().scalar("split.count", kI32, std::int32_t{-2}))},
      {"shape of tensor t", "[4294967296, 4294967296]",
       gguf(GgufWriter().directory("t", 0, {kLarge, kLarge}, 0))},
      {"tensors a and b", "36 bytes at 0, the next at 32",
       gguf(GgufWriter().directory("a", 0, {9}, 0).directory("b", 0, {1}, 32).data(std::string(64, '\0')))},
      {"general.architecture", "\"qwen2\": the first part does not say the same, but \"llama\"",
       parts("llama", "qwen2")},
      {"'0'", "two tensors",
       state_dict("}(" + text_op("0") + TensorOp{}.v2() + int_op(0) + TensorOp{}.v2() + "u", {six_floats()})},
      {"storage '0'", "element 7 of 6", state_dict("}(" + text_op("w") + outside.v2() + "u", {six_floats()})},
      {"dictionary", "neither keys nor tensors", state_dict("]")}};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(formats_refusals, *boost::unit_test::depends_on("Formats"))

BOOST_AUTO_TEST_CASE(each_is_heard) {
  check_every_message(heard() + check_refusals(refusals()),
                      std::filesystem::path(ANEMLL_SOURCE_DIR) / "src/formats", kOutOfReach,
                      [](const std::string& name) { return name.ends_with(".cpp"); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
