// libFuzzer entry for the .pt reader. An input is a whole file (zip or legacy), or, after the byte 'P', the
// pickle of an archive that is built around it: checksums and directories would otherwise keep most inputs
// from reaching the pickle machine.
#include "anemll/formats/torch_file.hpp"
#include "src/formats/internal/zip_format.hpp"
#include "tests/fuzz/consume.hpp"
#include "tests/support/memory_file.hpp"

#include <string>

namespace {

std::string archive_around(const std::string& pickle) {
  std::string out;
  std::string directory;
  const auto add = [&](const std::string& name, const std::string& content) {
    const anemll::formats::ZipStoredEntry entry{name, content.size(), 0, out.size()};
    out += anemll::formats::zip_local_header(entry);
    out += content;
    directory += anemll::formats::zip_central_header(entry);
  };
  add("a/data.pkl", pickle);
  for (const char* key : {"0", "1", "2"}) add(std::string("a/data/") + key, std::string(24, key[0]));
  const std::uint64_t at = out.size();
  out += directory;
  return out + anemll::formats::zip_end_records(4, at, directory.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string input(reinterpret_cast<const char*>(data), size);
  if (input.starts_with('P')) input = archive_around(input.substr(1));
  const anemll::test::MemoryFile file(input);
  anemll::fuzz::expect_tensors_or_data_error(
      [&] { return anemll::flatten_tensors(anemll::read_torch_file(file.path())); });
  return 0;
}
