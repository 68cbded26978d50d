// libFuzzer entry for the GGUF reader: every tensor it accepts must be readable, and every refusal a data
// error.
#include "anemll/formats/gguf.hpp"
#include "tests/fuzz/consume.hpp"
#include "tests/support/memory_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A tensor of a few bytes may be a large number of values only by its type, at most 256 a 50 bytes.
  constexpr std::size_t kMostBytes = std::size_t{1} << 20;
  const anemll::test::MemoryFile file({reinterpret_cast<const char*>(data), size});
  anemll::fuzz::expect_tensors_or_data_error([&] {
    anemll::TensorMap tensors;
    if (!anemll::is_gguf(file.path())) return tensors;
    const anemll::GgufFile gguf = anemll::read_gguf(file.path());
    for (const anemll::GgufTensor& tensor : gguf.tensors) {
      if (!anemll::known_gguf_type(tensor.type) || tensor.data.size() > kMostBytes) continue;
      tensors.set(tensor.name, anemll::dequantise(gguf, tensor));
    }
    return tensors;
  });
  return 0;
}
