// libFuzzer entry for the safetensors reader.
#include "anemll/formats/safetensors.hpp"
#include "tests/fuzz/consume.hpp"
#include "tests/support/memory_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const anemll::test::MemoryFile file({reinterpret_cast<const char*>(data), size});
  anemll::fuzz::expect_tensors_or_data_error([&] { return anemll::read_safetensors(file.path()).tensors; });
  return 0;
}
