// Host tensors and the ordered map of names: shapes, strides, packing, and names after erasing.
#include "anemll/core/tensor.hpp"

#include <cstring>
#include <numeric>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace {

using anemll::DType;
using anemll::HostTensor;
using anemll::TensorMap;

/// 0, 1, 2, ... as float32.
HostTensor counting(std::vector<std::int64_t> shape) {
  HostTensor t = HostTensor::zeros(DType::f32, std::move(shape));
  std::vector<float> values(static_cast<std::size_t>(t.numel()));
  std::iota(values.begin(), values.end(), 0.0F);
  std::memcpy(t.mutable_bytes(), values.data(), t.bytes());
  return t;
}

std::vector<float> values_of(const HostTensor& t) {
  BOOST_REQUIRE(t.contiguous());
  std::vector<float> values(static_cast<std::size_t>(t.numel()));
  std::memcpy(values.data(), t.data, t.bytes());
  return values;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_tensor)

BOOST_AUTO_TEST_CASE(dtypes_have_pytorchs_names_and_sizes) {
  using Pair = std::pair<DType, std::pair<const char*, std::size_t>>;
  for (const auto& [dtype, expected] :
       {Pair{DType::f64, {"float64", 8}}, Pair{DType::f32, {"float32", 4}}, Pair{DType::f16, {"float16", 2}},
        Pair{DType::bf16, {"bfloat16", 2}}, Pair{DType::i64, {"int64", 8}}, Pair{DType::i32, {"int32", 4}},
        Pair{DType::i16, {"int16", 2}}, Pair{DType::i8, {"int8", 1}}, Pair{DType::u8, {"uint8", 1}},
        Pair{DType::u16, {"uint16", 2}}, Pair{DType::u32, {"uint32", 4}}, Pair{DType::u64, {"uint64", 8}},
        Pair{DType::boolean, {"bool", 1}}}) {
    BOOST_TEST(anemll::name_of(dtype) == expected.first);
    BOOST_TEST(anemll::size_of(dtype) == expected.second);
  }
  BOOST_TEST(anemll::is_floating(DType::bf16));
  BOOST_TEST(!anemll::is_floating(DType::i64));
}

BOOST_AUTO_TEST_CASE(shapes_count_and_describe) {
  const HostTensor t = counting({3, 4});
  BOOST_TEST(t.numel() == 12);
  BOOST_TEST(t.bytes() == 48u);
  BOOST_TEST(t.describe() == "float32[3, 4]");
  const HostTensor scalar = HostTensor::zeros(DType::i64, {});
  BOOST_TEST(scalar.numel() == 1);
  BOOST_TEST(scalar.describe() == "int64[]");
  const HostTensor empty = HostTensor::zeros(DType::f32, {0, 5});
  BOOST_TEST(empty.numel() == 0);
  BOOST_TEST(empty.contiguous());
  const std::vector<std::int64_t> strides = {20, 5, 1};
  BOOST_TEST(anemll::contiguous_strides({3, 4, 5}) == strides, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(packing_follows_strides) {
  const HostTensor t = counting({2, 3});
  HostTensor transposed = t;
  transposed.shape = {3, 2};
  transposed.strides = {1, 3};
  BOOST_TEST(!transposed.contiguous());
  const std::vector<float> expected = {0, 3, 1, 4, 2, 5};
  BOOST_TEST(values_of(transposed.packed()) == expected, boost::test_tools::per_element());
  BOOST_TEST(t.packed().data == t.data);  // nothing to do, nothing copied

  HostTensor expanded = t;  // one row shown twice
  expanded.strides = {0, 1};
  const std::vector<float> twice = {0, 1, 2, 0, 1, 2};
  BOOST_TEST(values_of(expanded.packed()) == twice, boost::test_tools::per_element());

  HostTensor column = counting({4, 1});  // the stride of a dimension of one is of no account
  column.strides = {1, 99};
  BOOST_TEST(column.contiguous());

  HostTensor backwards = t;  // the last column of both rows
  backwards.shape = {2};
  backwards.strides = {3};
  backwards.data = t.data + 2 * sizeof(float);
  const std::vector<float> last = {2, 5};
  BOOST_TEST(values_of(backwards.packed()) == last, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(copies_share_and_keep_their_storage) {
  HostTensor copy;
  {
    const HostTensor t = counting({3});
    copy = t;
  }
  const std::vector<float> expected = {0, 1, 2};
  BOOST_TEST(values_of(copy) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(lazy_hands_the_tensor_over) {
  const HostTensor t = counting({2});
  const anemll::LazyTensor entry = anemll::lazy("w", t);
  BOOST_TEST(entry.name == "w");
  BOOST_TEST((entry.shape == t.shape));
  BOOST_TEST(entry.make().data == t.data);
}

BOOST_AUTO_TEST_CASE(bytes_of_a_file_to_be) {
  const std::vector<anemll::LazyTensor> tensors = {anemll::lazy("a", counting({3, 5})),
                                                   {"b", DType::u8, {2, 0, 4}, {}, {}},
                                                   {"c", DType::i64, {}, {}, {}}};
  BOOST_TEST(anemll::total_bytes(tensors) == 3u * 5 * 4 + 8);
}

BOOST_AUTO_TEST_CASE(maps_keep_file_order_and_find_by_name) {
  TensorMap map;
  for (const char* name : {"m", "z", "a", "q"}) map.set(name, counting({1}));
  BOOST_TEST(map.size() == 4u);
  std::string order;
  for (const auto& [name, tensor] : map) order += name;
  BOOST_TEST(order == "mzaq");
  map.set("z", counting({7}));  // in place
  BOOST_TEST(map.size() == 4u);
  BOOST_TEST(map.find("z")->numel() == 7);
  BOOST_TEST((map.find("none") == nullptr));
  BOOST_TEST(map.erase("z"));
  BOOST_TEST(!map.erase("z"));
  order.clear();
  for (const auto& [name, tensor] : map) order += name;
  BOOST_TEST(order == "maq");
  for (const char* name : {"m", "a", "q"}) BOOST_TEST(map.contains(name));
  map.set("b", counting({2}));
  BOOST_TEST(map.find("b")->numel() == 2);
}

BOOST_AUTO_TEST_SUITE_END()
