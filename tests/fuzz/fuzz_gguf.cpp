// libFuzzer entry for the GGUF reader: every tensor it accepts must be readable, and every refusal a data
// error. Inputs without the magic are the number of a type and blocks of it, so that every type is reached.
#include "anemll/formats/gguf.hpp"
#include "tests/fuzz/consume.hpp"
#include "tests/support/memory_file.hpp"

#include <span>
#include <vector>

namespace {

void decode_blocks(std::span<const std::byte> input) {
  if (input.empty()) return;
  const auto type = anemll::known_gguf_type(std::to_integer<std::uint32_t>(input.front()));
  if (!type) return;
  const anemll::GgufBlock block = anemll::block_of(*type);
  const std::size_t count = (input.size() - 1) / static_cast<std::size_t>(block.bytes);
  std::vector<float> values(count * static_cast<std::size_t>(block.values));
  anemll::dequantise_blocks(*type, input.subspan(1, count * static_cast<std::size_t>(block.bytes)), values);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A tensor of a few bytes may be a large number of values only by its type, at most 256 a 50 bytes.
  constexpr std::size_t kMostBytes = std::size_t{1} << 20;
  const anemll::test::MemoryFile file({reinterpret_cast<const char*>(data), size});
  anemll::fuzz::expect_tensors_or_data_error([&] {
    anemll::TensorMap tensors;
    if (!anemll::is_gguf(file.path())) {
      decode_blocks(std::as_bytes(std::span(data, size)));
      return tensors;
    }
    const anemll::GgufFile gguf = anemll::read_gguf(file.path());
    for (const anemll::GgufTensor& tensor : gguf.tensors) {
      if (!anemll::known_gguf_type(tensor.type) || tensor.data.size() > kMostBytes) continue;
      tensors.set(tensor.name, anemll::dequantise(gguf, tensor));
    }
    return tensors;
  });
  return 0;
}
