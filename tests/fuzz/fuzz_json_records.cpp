// libFuzzer entry for the JSON readers of data sets. The first byte of an input chooses the reader and the
// fields; the rest is the file. What is read must be UTF-8; what is not read must be a data error with a
// hint.
#include "anemll/core/error.hpp"
#include "src/datasets/internal/record.hpp"
#include "src/formats/utf8.hpp"
#include "tests/support/memory_file.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

void require_utf8(const std::string& text) {
  if (!anemll::formats::is_utf8(text)) std::abort();
}

void drain(anemll::datasets::RecordSource& source) {
  anemll::datasets::Record record;
  while (source.next(record)) {
    if (source.position() < 1) std::abort();
    for (const std::string& name : record.names) require_utf8(name);
    for (const anemll::datasets::Value& field : record.fields) {
      require_utf8(field.text);
      require_utf8(field.json());
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const anemll::datasets::FieldList wanted =
      (data[0] & 2) != 0 ? anemll::datasets::FieldList{{"conversations", "messages", "dialog"}}
                         : anemll::datasets::FieldList{{"text"}};
  const anemll::test::MemoryFile file({reinterpret_cast<const char*>(data) + 1, size - 1});
  try {
    drain((data[0] & 1) != 0 ? *anemll::datasets::open_json_lines(file.path(), wanted)
                             : *anemll::datasets::open_json(file.path(), wanted));
  } catch (const anemll::Error& error) {
    if (error.code() != anemll::ExitCode::data || error.hint().empty()) std::abort();
  }
  return 0;
}
