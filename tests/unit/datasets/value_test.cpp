// Values as Python's json.dumps writes them, which is how templates print tools.
#include "src/datasets/internal/value.hpp"

#include "tests/unit/datasets/support.hpp"

using namespace anemll;
using datasets::parse_json;
using datasets::Value;

BOOST_AUTO_TEST_SUITE(datasets_value)

BOOST_AUTO_TEST_CASE(spelled_as_python_does) {
  // Each by json.dumps(json.loads(text), ensure_ascii=False) of Python 3.11.
  for (
      const auto& [text, python] : std::vector<std::pair<std::string, std::string>>{
          {R"x([])x", R"x([])x"},
          {R"x({})x", R"x({})x"},
          {R"x([ 1,2 ])x", R"x([1, 2])x"},
          {R"x({"a":{"b":[null,true,false]}})x", R"x({"a": {"b": [null, true, false]}})x"},
          {R"x([1.50, -0, -0.0, 0.0, 1e5, 1E+2, 1e16, 123456789012345680000.0, 0.0001, 0.00001, 1.5e-7, 1e22, 2.5E-10, 12345678901234567890123])x",
           R"x([1.5, 0, -0.0, 0.0, 100000.0, 100.0, 1e+16, 1.2345678901234568e+20, 0.0001, 1e-05, 1.5e-07, 1e+22, 2.5e-10, 12345678901234567890123])x"},
          {R"x(["\u00e9\n\t\r\b\f\u0001\"\\/\ud83d\ude00"])x",
           "[\"\xc3\xa9\\n\\t\\r\\b\\f\\u0001\\\"\\\\/\xf0\x9f\x98\x80\"]"},
          {R"x([0.1, 100.0, 3.14159, 1e-5, 9007199254740993.0, 1e308, 1.7976931348623157e308])x",
           R"x([0.1, 100.0, 3.14159, 1e-05, 9007199254740992.0, 1e+308, 1.7976931348623157e+308])x"},
          {R"x({"":[],"k":{}})x", R"x({"": [], "k": {}})x"},
      }) {
    BOOST_TEST(parse_json(text).json() == python);
  }
  BOOST_TEST(parse_json("[1e999, -1e999, 1e-999]").json() == "[Infinity, -Infinity, 0.0]");
}

BOOST_AUTO_TEST_CASE(what_is_no_json) {
  for (const char* text : {"", "x", "[1", "{\"a\"}", "[1] 2", "\"a\"", "7", "null", "\xff"})
    BOOST_TEST((parse_json(text).kind == Value::Kind::missing), text);
  // Deeper than any conversation is not followed.
  const std::string deep(200, '[');
  Value value = parse_json(deep + std::string(200, ']'));
  int depth = 0;
  while (value.kind == Value::Kind::list && !value.items.empty()) {
    Value inner = value.items.front();
    value = std::move(inner);
    ++depth;
  }
  BOOST_TEST(depth == Value::kMaxDepth);
  BOOST_TEST((value.kind == Value::Kind::other));
}

BOOST_AUTO_TEST_SUITE_END()
