// The .pt writer by reading back and by the bytes it must and must not contain.
#include "anemll/formats/torch_file.hpp"

#include "src/formats/internal/zip_reader.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/formats/archives.hpp"
#include "tests/unit/formats/tensors.hpp"

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

std::vector<LazyTensor> all_kinds() {
  std::vector<LazyTensor> tensors;
  unsigned seed = 0;
  for (const DType dtype : kAllDTypes) {
    const std::string name(name_of(dtype));
    tensors.push_back(lazy(name + ".matrix", patterned(dtype, {3, 300}, ++seed)));
    tensors.push_back(lazy(name + ".scalar", patterned(dtype, {}, ++seed)));
    tensors.push_back(lazy(name + ".empty", patterned(dtype, {4, 0, 2}, ++seed)));
  }
  HostTensor view = patterned(DType::f32, {4, 6}, 99);
  view.shape = {6, 4};
  view.strides = {1, 6};
  tensors.push_back(lazy("transposed", view));
  return tensors;
}

struct Archive {
  explicit Archive(const std::filesystem::path& path)
      : complain(path, "none"), zip(MappedFile::open(path), complain) {}
  formats::Complaint complain;
  formats::ZipReader zip;

  std::string text(const std::string& name) const {
    const formats::ZipEntry* entry = zip.find("archive/" + name);
    BOOST_TEST_REQUIRE(entry != nullptr);
    const formats::Payload payload = zip.checked_content(*entry);
    return {reinterpret_cast<const char*>(payload.bytes.data()), payload.bytes.size()};
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(Formats)

BOOST_AUTO_TEST_CASE(torch_round_trip) {
  const std::vector<LazyTensor> tensors = all_kinds();
  const TempDir folder;
  write_torch_file(folder / "x.pt", tensors);
  const TensorMap read = read_state_dict(folder / "x.pt");
  BOOST_TEST_REQUIRE(read.size() == tensors.size());
  auto entry = read.begin();
  for (const LazyTensor& tensor : tensors) {
    BOOST_TEST_CONTEXT(tensor.name) {
      BOOST_TEST(entry->first == tensor.name);  // the order is kept
      BOOST_TEST(same_bits(entry->second, tensor.make()));
      ++entry;
    }
  }
}

BOOST_AUTO_TEST_CASE(torch_archive_records) {
  const TempDir folder;
  write_torch_file(folder / "x.pt", all_kinds());
  const Archive archive(folder / "x.pt");
  BOOST_TEST(archive.zip.entries().front().name == "archive/data.pkl");
  BOOST_TEST(archive.text("byteorder") == "little");
  BOOST_TEST(archive.text("version") == "3\n");
  for (const formats::ZipEntry& entry : archive.zip.entries()) {
    BOOST_TEST(entry.payload % 64 == 0u);
    archive.zip.checked_content(entry);
    BOOST_TEST((entry.crc != 0 || entry.bytes == 0));
  }
  BOOST_TEST(archive.zip.find("archive/.format_version") == nullptr);
}

BOOST_AUTO_TEST_CASE(torch_pickle_suits_old_readers) {
  // One entry: SETITEMS all the same. The opcodes are checked byte for byte.
  const TempDir folder;
  write_torch_file(folder / "x.pt", std::vector<LazyTensor>{lazy("w", patterned(DType::f32, {2, 3}, 1))});
  const std::string expected =
      std::string("\x80\x02}(X\x01\0\0\0w", 10) + "ctorch._utils\n_rebuild_tensor_v2\n((X" +
      std::string("\x07\0\0\0storage", 11) + "ctorch\nFloatStorage\nX" + std::string("\x01\0\0\0", 4) + "0X" +
      std::string("\x03\0\0\0", 4) + "cpuK\x06tQK" + std::string("\0", 1) + "(K\x02K\x03t(K\x03K\x01t\x89" +
      "ccollections\nOrderedDict\n)RtRu.";
  BOOST_TEST(Archive(folder / "x.pt").text("data.pkl") == expected);
}

BOOST_AUTO_TEST_CASE(torch_aliases_share_a_storage) {
  std::vector<LazyTensor> tensors = {lazy("embed", patterned(DType::bf16, {4, 3}, 1)),
                                     lazy("norm", patterned(DType::bf16, {3}, 2))};
  tensors.push_back({"head", DType::bf16, {4, 3}, {}, "embed"});
  tensors.push_back({"flat", DType::bf16, {12}, {}, "head"});
  const TempDir folder;
  write_torch_file(folder / "x.pt", tensors);
  const TensorMap read = read_state_dict(folder / "x.pt");
  BOOST_TEST(read.size() == 4u);
  BOOST_TEST(read.find("head")->data == read.find("embed")->data);
  BOOST_TEST(read.find("flat")->data == read.find("embed")->data);
  BOOST_TEST(same_bits(*read.find("norm"), tensors[1].make()));
  BOOST_TEST(Archive(folder / "x.pt").zip.entries().size() ==
             5u);  // pickle, byteorder, two storages, version
}

BOOST_AUTO_TEST_CASE(torch_tensors_are_made_one_at_a_time) {
  int alive = 0;
  int most = 0;
  int calls = 0;
  std::vector<LazyTensor> tensors;
  for (int i = 0; i < 5; ++i) {
    LazyTensor tensor{std::string(1, static_cast<char>('a' + i)), DType::f32, {100}, {}, {}};
    tensor.make = [&] {
      ++calls;
      most = std::max(most, ++alive);
      HostTensor made = HostTensor::zeros(DType::f32, {100});
      made.owner =
          std::shared_ptr<const void>(made.data, [&alive, keep = made.owner](const void*) { --alive; });
      return made;
    };
    tensors.push_back(std::move(tensor));
  }
  const TempDir folder;
  write_torch_file(folder / "x.pt", tensors);
  BOOST_TEST(calls == 5);
  BOOST_TEST(most == 1);
  BOOST_TEST(alive == 0);
}

BOOST_AUTO_TEST_CASE(torch_writer_says_what_it_makes_next) {
  std::vector<LazyTensor> tensors = {lazy("a", patterned(DType::f32, {3}, 1)),
                                     lazy("b", patterned(DType::f32, {3}, 1)),
                                     lazy("c", patterned(DType::f32, {3}, 2))};
  tensors[1].alias_of = "a";
  const TempDir folder;
  std::vector<std::size_t> places;
  write_torch_file(folder / "x.pt", tensors, [&](std::size_t place) { places.push_back(place); });
  BOOST_TEST(places == (std::vector<std::size_t>{0, 2}), boost::test_tools::per_element());
  const auto stop = [](std::size_t place) {
    if (place == 2) throw std::runtime_error("enough");
  };
  BOOST_CHECK_THROW(write_torch_file(folder / "y.pt", tensors, stop), std::runtime_error);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    BOOST_TEST(entry.path().filename().string() == "x.pt");
}

BOOST_AUTO_TEST_CASE(torch_writer_is_deterministic_and_atomic) {
  const TempDir folder;
  write_torch_file(folder / "a.pt", all_kinds());
  write_torch_file(folder / "b.pt", all_kinds());
  BOOST_TEST(load_file(folder / "a.pt") == load_file(folder / "b.pt"));

  std::vector<LazyTensor> failing = all_kinds();
  failing[5].make = []() -> HostTensor { throw_data("no such source", "a", "none"); };
  BOOST_CHECK_THROW(write_torch_file(folder / "a.pt", failing), Error);
  BOOST_TEST(load_file(folder / "a.pt") == load_file(folder / "b.pt"));
  BOOST_TEST(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);
}

BOOST_AUTO_TEST_CASE(torch_more_entries_than_16_bits) {
  std::vector<LazyTensor> tensors;
  const HostTensor scalar = patterned(DType::i32, {}, 3);
  constexpr std::size_t kCount = 66'000;  // the classic end record counts to 65534
  for (std::size_t i = 0; i < kCount; ++i) tensors.push_back(lazy(std::to_string(i), scalar));
  const TempDir folder;
  write_torch_file(folder / "x.pt", tensors);
  const TensorMap read = read_state_dict(folder / "x.pt");
  BOOST_TEST(read.size() == kCount);
  BOOST_TEST(same_bits(*read.find("65999"), scalar));
}

BOOST_AUTO_TEST_CASE(torch_empty_dictionary) {
  const TempDir folder;
  write_torch_file(folder / "x.pt", {});
  BOOST_TEST(flatten_tensors(read_torch_file(folder / "x.pt")).empty());
  BOOST_CHECK_EXCEPTION(read_state_dict(folder / "x.pt"), Error, data_error_with("no tensors"));
}

BOOST_AUTO_TEST_CASE(tensors_outlive_the_call) {
  const TempDir folder;
  write_torch_file(folder / "x.pt", std::vector<LazyTensor>{lazy("w", patterned(DType::f32, {2, 3}, 1))});
  const HostTensor tensor = *read_state_dict(folder / "x.pt").find("w");
  std::filesystem::remove(folder / "x.pt");
  BOOST_TEST(same_bits(tensor, patterned(DType::f32, {2, 3}, 1)));
}

// Trainers put the weights beside their own state.
BOOST_AUTO_TEST_CASE(weights_may_be_one_entry_of_the_dictionary) {
  const TempDir folder;
  const std::string state = "}(" + text_op("w") + TensorOp{}.v2() + "u";
  const auto write = [&](const std::string& key, const std::string& beside) {
    store_file(folder / "x.pt",
               torch_archive("}(" + beside + text_op("epoch") + int_op(3) + text_op(key) + state + "u",
                             {six_floats()}));
    return folder / "x.pt";
  };
  for (const char* key : {"state_dict", "model", "module", "model_state_dict"}) {
    const TensorMap read = read_state_dict(write(key, ""));
    BOOST_TEST(read.size() == 1U, key);
    BOOST_TEST(read.contains("w"), key);
  }
  // Tensors of the dictionary itself go before them.
  BOOST_TEST(!read_state_dict(write("model", text_op("v") + TensorOp{}.v2())).contains("w"));
  BOOST_CHECK_EXCEPTION(read_state_dict(write("optimizer", "")), Error, data_error_with("no tensors"));
}

BOOST_AUTO_TEST_SUITE_END()
