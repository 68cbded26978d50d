// The restricted pickle machine and the tensor calls, on pickles built opcode by opcode.
#include "src/formats/internal/limits.hpp"
#include "tests/unit/formats/archives.hpp"

#include <string>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

using List = std::shared_ptr<TorchValue::List>;
using Dict = std::shared_ptr<TorchValue::Dict>;

HostTensor tensor_of(const TorchValue& value) {
  return std::get<HostTensor>(value.value);
}

void refused(const std::string& opcodes, const std::string& reason,
             const std::vector<std::string>& storages = {}) {
  BOOST_TEST_CONTEXT(reason) {
    BOOST_CHECK_EXCEPTION(read_pickle(opcodes, storages), Error, data_error_with(reason));
  }
}

std::string repeat(const std::string& part, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += part;
  return out;
}

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out += static_cast<char>(value);
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(Formats)

BOOST_AUTO_TEST_CASE(pickle_numbers) {
  const auto integer = [](const std::string& op) { return std::get<std::int64_t>(read_pickle(op).value); };
  BOOST_TEST(integer("K\xff") == 255);
  BOOST_TEST(integer("M\x01\x02") == 513);
  BOOST_TEST(integer(int_op(-2)) == -2);
  BOOST_TEST(integer(bytes({0x8a, 0})) == 0);
  BOOST_TEST(integer(bytes({0x8a, 1, 0xff})) == -1);
  BOOST_TEST(integer(bytes({0x8a, 2, 0xff, 0x00})) == 255);
  BOOST_TEST(integer(bytes({0x8a, 6, 0, 0, 0, 0, 0, 1})) == std::int64_t{1} << 40);
  BOOST_TEST(integer(bytes({0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 0x80})) ==
             std::numeric_limits<std::int64_t>::min());
  refused(bytes({0x8a, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9}), "more than 64 bits");
  BOOST_TEST(std::get<double>(read_pickle(bytes({'G', 0xc0, 0x04, 0, 0, 0, 0, 0, 0})).value) == -2.5);
}

BOOST_AUTO_TEST_CASE(pickle_tensor_v2) {
  const HostTensor whole = tensor_of(read_pickle(TensorOp{}.v2(), {six_floats()}));
  BOOST_TEST(whole.describe() == "float32[2, 3]");
  BOOST_TEST(elements(whole) == (std::vector<double>{0, 1, 2, 3, 4, 5}), boost::test_tools::per_element());

  TensorOp transposed;
  transposed.offset = 1;
  transposed.shape = {2, 2};
  transposed.strides = {1, 3};
  const HostTensor part = tensor_of(read_pickle(transposed.v2(), {six_floats()}));
  BOOST_TEST(elements(part) == (std::vector<double>{1, 4, 2, 5}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(pickle_tensor_v3) {
  TensorOp op;
  op.storage = storage_op("UntypedStorage", "0", 24);  // bytes
  op.offset = 2;
  op.shape = {5};
  op.strides = {2};
  const HostTensor tensor = tensor_of(read_pickle(op.v3("uint16"), {six_floats()}));
  BOOST_TEST(tensor.describe() == "uint16[5]");
  // Upper halves of the floats 1 to 5 are at odd places: offset 2, stride 2 gives the lower halves.
  BOOST_TEST(elements(tensor) == (std::vector<double>{0, 0, 0, 0, 0}), boost::test_tools::per_element());
  op.offset = 3;
  BOOST_TEST(elements(tensor_of(read_pickle(op.v3("uint16"), {six_floats()}))) ==
                 (std::vector<double>{0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0}),
             boost::test_tools::per_element());
  op.offset = 4;
  refused(op.v3("uint16"), "reaches past its end", {six_floats()});
  refused(op.v3("float8_e4m3fn"), "float8_e4m3fn", {six_floats()});
  refused(op.v2(), "has no type", {six_floats()});
}

BOOST_AUTO_TEST_CASE(pickle_tensor_with_attributes) {
  const std::string call = global_op("torch._tensor", "_rebuild_from_type_v2") + "(" +
                           global_op("torch._utils", "_rebuild_tensor_v2") + global_op("torch", "Tensor") +
                           TensorOp{}.arguments() + "}" + text_op("note") + "K\x01" + "stR";
  BOOST_TEST(tensor_of(read_pickle(call, {six_floats()})).numel() == 6);
  std::string subclass = call;
  subclass.replace(subclass.find("torch\nTensor"), 12, "torch\nSizeXX");
  refused(subclass, "torch.SizeXX", {six_floats()});
}

BOOST_AUTO_TEST_CASE(pickle_size_device_and_dtype_values) {
  const TorchValue size = read_pickle(global_op("torch", "Size") + tuple_op({2, 3}) + "\x85R");
  BOOST_TEST(std::get<std::int64_t>((*std::get<List>(size.value))[1].value) == 3);
  const TorchValue device = read_pickle(global_op("torch", "device") + text_op("cuda") + int_op(1) + "\x86R");
  BOOST_TEST(std::get<std::string>(device.value) == "cuda:1");
  BOOST_TEST(std::get<std::string>(read_pickle(global_op("torch", "bfloat16")).value) == "torch.bfloat16");
}

BOOST_AUTO_TEST_CASE(pickle_tensor_bounds) {
  const auto with = [](std::int32_t offset, std::vector<std::int32_t> shape,
                       std::vector<std::int32_t> strides) {
    TensorOp op;
    op.offset = offset;
    op.shape = std::move(shape);
    op.strides = std::move(strides);
    return op.v2();
  };
  const std::vector<std::string> storage = {six_floats()};
  BOOST_TEST(tensor_of(read_pickle(with(5, {1}, {1000}), storage)).numel() == 1);
  BOOST_TEST(tensor_of(read_pickle(with(5, {}, {}), storage)).shape.empty());
  BOOST_TEST(tensor_of(read_pickle(with(1000, {0, 2147483647}, {2147483647, 1}), storage)).numel() == 0);
  refused(with(6, {}, {}), "past its end", storage);
  refused(with(1, {2, 3}, {3, 1}), "past its end", storage);
  refused(with(0, {2, 3}, {4, 1}), "past its end", storage);
  refused(with(-1, {2, 3}, {3, 1}), "negative", storage);
  refused(with(0, {2, 3}, {-3, 1}), "natural number", storage);
  refused(with(0, {2, 3}, {1}), "strides", storage);
  const std::int32_t huge = 2147483647;
  refused(with(0, {huge, huge, huge}, {1, 1, 1}), "overflows", storage);
  refused(with(0, {huge, huge, huge, 0}, {1, 1, 1, 1}), "overflows", storage);
  refused(with(0, {huge, 2}, {0, 0}), "repeats its elements", storage);
  BOOST_TEST(tensor_of(read_pickle(with(0, {1000, 6}, {0, 1}), storage)).numel() == 6000);
}

BOOST_AUTO_TEST_CASE(pickle_storage_checks) {
  TensorOp op;
  op.storage = storage_op("FloatStorage", "0", 7);
  refused(op.v2(), "has 24 bytes, the pickle says 28", {six_floats()});
  op.storage = storage_op("ComplexFloatStorage", "0", 3);
  refused(op.v2(), "ComplexFloatStorage", {six_floats()});
  op.storage = storage_op("FloatStorage", "../secret", 6);
  refused(op.v2(), "missing", {six_floats()});
  op.storage = storage_op("FloatStorage", "0", -1);
  refused(op.v2(), "negative", {six_floats()});
  TensorOp same_key;
  same_key.storage = storage_op("IntStorage", "0", 6);
  refused(std::string("(") + TensorOp{}.v2() + same_key.v2() + "t", "described in two ways", {six_floats()});
  refused(storage_op("FloatStorage", "0", 6), "bare storage", {six_floats()});
}

BOOST_AUTO_TEST_CASE(pickle_forbidden_globals_are_named) {
  for (const auto& [module, name] :
       std::vector<std::pair<std::string, std::string>>{{"os", "system"},
                                                        {"builtins", "eval"},
                                                        {"torch", "load"},
                                                        {"torch._utils", "_rebuild_tensor"},
                                                        {"collections", "Counter"},
                                                        {"", ""},
                                                        {"torch.nn.modules", "Linear"}}) {
    refused(global_op(module, name), "'" + module + "." + name + "'");
  }
  refused("c" + std::string(1000, 'a'), "without an end");
  refused(global_op("torch", "Size"), "as a value");
  refused(global_op("torch", "float32") + ")R", "not a function");
  refused("K\x01)R", "not a function");
}

BOOST_AUTO_TEST_CASE(pickle_stack_discipline) {
  refused("", "unbalanced");
  refused("NN", "unbalanced");
  refused("(N", "unbalanced");
  refused("t", "misses a mark");
  refused("\x85", "empty stack");
  refused("N(\x85", "empty stack");  // nothing below a mark may be used
  refused("]N(a", "empty stack");
  refused("h\x05", "does not contain");
  refused("N(K\x01u", "not a dictionary");
  refused("}(K\x01u", "without a value");
  refused(")Na", "not a list");
  refused("}}b", "not an OrderedDict");
  refused("\x94", "opcode 148");
  refused(bytes({'X', 3, 0, 0, 0, 'a', 0xff, 'b'}), "not UTF-8");
  refused(text_op("0") + "0", "opcode 48");
  refused("N.N", "after the end");
  BOOST_CHECK_EXCEPTION(read_bytes(stored_zip({{"a/data.pkl", bytes({0x80, 4, 'N', '.'})}})), Error,
                        data_error_with("protocol 2"));
}

BOOST_AUTO_TEST_CASE(pickle_dictionary_keys) {
  refused(std::string("}") + text_op("a") + "N" + "s" + text_op("a") + "N" + "s", "'a' twice");
  refused("}NNs", "neither a string nor an integer");
  refused("}(K\x01NK\x01Nu", "'1' twice");
  const TorchValue value = read_pickle("}(K\x01N" + text_op("1") + "\x88u");
  BOOST_TEST(std::get<Dict>(value.value)->size() == 2u);
}

BOOST_AUTO_TEST_CASE(pickle_bombs) {
  // Nested, cyclic, doubling, and long text used many times.
  const std::size_t deep = 200;
  refused(repeat("]", deep) + repeat("a", deep - 1), "deeper");
  refused(repeat("(", 10'000), "too deeply");
  refused("]q" + bytes({0}) + "h" + bytes({0}) + "a", "contains itself");
  refused("}q" + bytes({0}) + text_op("k") + "h" + bytes({0}) + "s", "contains itself");
  std::string doubling = "]q" + bytes({0});
  for (int i = 0; i < 40; ++i) {
    doubling += "](h" + bytes({i}) + "h" + bytes({i}) + "eq" + bytes({i + 1});
  }
  refused("(" + doubling + "t", "more than");
  const std::string text = text_op(std::string(std::size_t{64} * 1024, 'x')) + "q" + bytes({0});
  refused("](" + text + repeat("h" + bytes({0}), 10'000) + "e", "more than");
  refused("](" + repeat("N", formats::kMaxPickleNodes) + "e", "more than");
}

BOOST_AUTO_TEST_CASE(shared_objects_stay_shared) {
  const TorchValue value = read_pickle("(]q" + bytes({0}) + "h" + bytes({0}) + "t");
  const auto& items = *std::get<List>(value.value);
  BOOST_TEST(std::get<List>(items[0].value) == std::get<List>(items[1].value));
}

BOOST_AUTO_TEST_CASE(flattened_names_must_differ) {
  const std::string tensor = TensorOp{}.v2();
  const std::string nested =
      "}(" + text_op("a.b") + tensor + text_op("a") + "}" + text_op("b") + tensor + "su";
  const TorchValue value = read_pickle(nested, {six_floats()});
  BOOST_CHECK_EXCEPTION(flatten_tensors(value, "x.pt"), Error, data_error_with("'a.b'"));
}

BOOST_AUTO_TEST_SUITE_END()
