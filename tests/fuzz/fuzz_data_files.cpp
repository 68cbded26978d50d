// libFuzzer entry for the look before any parser and for what it chooses: compressed text, JSON under any
// name, tables. The first byte of an input says whether it is read as CSV or as what its content tells; the
// rest is the file. What is read must be UTF-8; what is not read must be a data error with a hint.
#include "anemll/core/error.hpp"
#include "src/core/content_kind.hpp"
#include "src/datasets/internal/dataset_files.hpp"
#include "src/formats/utf8.hpp"
#include "tests/support/memory_file.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace anemll;

void require_utf8(const std::string& text) {
  if (!formats::is_utf8(text)) std::abort();
}

void require_good(const Error& error) {
  if (error.code() != ExitCode::data || error.hint().empty()) std::abort();
}

/// Bad records are passed over, as --max-bad-records has it.
bool next(datasets::RecordSource& source, datasets::Record& record) {
  try {
    return source.next(record);
  } catch (const datasets::BadRecord& error) {
    require_good(error);
    record.clear(1);
    return true;
  }
}

void drain(datasets::RecordSource& source) {
  datasets::Record record;
  while (next(source, record)) {
    for (const std::string& name : record.names) require_utf8(name);
    for (const datasets::Value& field : record.fields) require_utf8(field.text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const test::MemoryFile file({reinterpret_cast<const char*>(data) + 1, size - 1});
  const datasets::FieldList wanted{{"text"}, {"conversations"}};
  try {
    if (content_kind(file.path()) != ContentKind::other) (void)content_advice(content_kind(file.path()), "a");
    if ((data[0] & 1) != 0) {
      drain(*datasets::open_csv(file.path(), wanted));
    } else {
      drain(*datasets::open_records(file.path(), datasets::kind_by_content(file.path(), false), wanted));
    }
  } catch (const Error& error) {
    require_good(error);
  }
  return 0;
}
