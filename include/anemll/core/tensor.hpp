// A tensor in host memory that knows nothing of any framework: what file readers hand out and
// file writers take. Usually a view into a memory map, kept alive by `owner`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anemll {

enum class DType : std::uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u8, u16, u32, u64, boolean };

std::size_t size_of(DType dtype);
/// PyTorch's name: "float32", "bfloat16", "int64", "bool" ...
std::string_view name_of(DType dtype);
bool is_floating(DType dtype);

struct HostTensor {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;    ///< empty for a scalar
  std::vector<std::int64_t> strides;  ///< in elements, same length as shape
  const std::byte* data = nullptr;    ///< first element
  std::shared_ptr<const void> owner;  ///< keeps `data` alive

  std::int64_t numel() const;
  std::size_t bytes() const { return static_cast<std::size_t>(numel()) * size_of(dtype); }
  bool contiguous() const;
  /// "float32[3, 4]" for messages.
  std::string describe() const;
  /// This tensor if it is contiguous, else a packed copy.
  HostTensor packed() const;

  /// A new zero-filled contiguous tensor; `mutable_bytes` of the result may be written.
  static HostTensor zeros(DType dtype, std::vector<std::int64_t> shape);
  /// Only valid for tensors made by `zeros` (and still unshared).
  std::byte* mutable_bytes() { return const_cast<std::byte*>(data); }
};

/// A tensor that a file writer asks for only when its turn comes, so that files much larger than
/// memory headroom can be written one tensor at a time.
struct LazyTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::function<HostTensor()> make;  ///< called once; must return this dtype and shape
  std::string alias_of;  ///< name of an earlier entry with the same storage (tied weights), or empty
};

/// What all of them take once they are made.
std::uint64_t total_bytes(std::span<const LazyTensor> tensors);

/// Wraps an existing tensor (no copy).
LazyTensor lazy(std::string name, HostTensor tensor);

std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape);

/// Named tensors in file order. Names are unique.
class TensorMap {
 public:
  using Entry = std::pair<std::string, HostTensor>;

  void set(std::string name, HostTensor tensor);  ///< replaces or appends
  const HostTensor* find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  bool erase(std::string_view name);
  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

 private:
  std::vector<Entry> entries_;
  // name -> position; rebuilt on erase
  std::vector<std::size_t> sorted_;
  std::size_t lower_bound(std::string_view name) const;
};

}  // namespace anemll
