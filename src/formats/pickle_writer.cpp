// Protocol 2 with the few opcodes that every reader of state dicts knows, C++ ones included.
#include "src/formats/internal/pickle_writer.hpp"

#include "src/formats/internal/torch_dtype.hpp"

#include <cstdint>
#include <limits>
#include <string_view>

namespace anemll::formats {
namespace {

class PickleWriter {
 public:
  void raw(std::string_view opcodes) { out_ += opcodes; }

  void text(std::string_view value) {
    raw("X");
    number(static_cast<std::uint32_t>(value.size()), 4);
    raw(value);
  }

  void integer(std::int64_t value) {
    if (value >= 0 && value <= 0xff) {
      raw("K");
      number(static_cast<std::uint64_t>(value), 1);
    } else if (value >= 0 && value <= std::numeric_limits<std::int32_t>::max()) {
      raw("J");
      number(static_cast<std::uint64_t>(value), 4);
    } else {
      // LONG1 of eight bytes: the only length that every LibTorch reads.
      raw("\x8a\x08");
      number(static_cast<std::uint64_t>(value), 8);
    }
  }

  void tuple(const std::vector<std::int64_t>& values) {
    raw("(");
    for (const std::int64_t value : values) integer(value);
    raw("t");
  }

  /// ("storage", class, key, "cpu", count) as a persistent id.
  void storage(const LazyTensor& tensor, std::size_t key, std::int64_t numel) {
    const std::string_view typed = torch_storage_class(tensor.dtype);
    raw("(");
    text("storage");
    if (typed.empty()) {
      raw("ctorch.storage\nUntypedStorage\n");
    } else {
      raw("ctorch\n");
      raw(typed);
      raw("\n");
    }
    text(std::to_string(key));
    text("cpu");
    integer(typed.empty() ? numel * static_cast<std::int64_t>(size_of(tensor.dtype)) : numel);
    raw("tQ");
  }

  void tensor(const LazyTensor& tensor, std::size_t key) {
    const bool typed = !torch_storage_class(tensor.dtype).empty();
    std::int64_t numel = 1;
    for (const std::int64_t dimension : tensor.shape) numel *= dimension;
    raw(typed ? "ctorch._utils\n_rebuild_tensor_v2\n(" : "ctorch._utils\n_rebuild_tensor_v3\n(");
    storage(tensor, key, numel);
    integer(0);
    tuple(tensor.shape);
    tuple(contiguous_strides(tensor.shape));
    raw("\x89");                           // requires_grad
    raw("ccollections\nOrderedDict\n)R");  // backward hooks
    if (!typed) {
      raw("ctorch\n");
      raw(name_of(tensor.dtype));
      raw("\n");
    }
    raw("tR");
  }

  std::string take() { return std::move(out_); }

 private:
  void number(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out_ += static_cast<char>((value >> (8 * i)) & 0xff);
  }

  std::string out_;
};

}  // namespace

std::string state_dict_pickle(std::span<const LazyTensor> tensors, std::span<const std::size_t> keys) {
  PickleWriter writer;
  writer.raw("\x80\x02}(");  // SETITEMS at the end even for one entry: older LibTorch knows no SETITEM
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    writer.text(tensors[i].name);
    writer.tensor(tensors[i], keys[i]);
  }
  writer.raw("u.");
  return writer.take();
}

}  // namespace anemll::formats
