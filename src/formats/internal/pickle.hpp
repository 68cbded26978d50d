// What a pickle says, as data: an arena of nodes that refer to each other by index, so that neither deep
// nor cyclic input can upset destructors. No code named in a pickle is ever run; the few calls that
// torch.save writes are interpreted by torch_objects.hpp.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/formats/internal/byte_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace anemll::formats {

using NodeId = std::uint32_t;

struct NoneNode {};

struct SequenceNode {
  std::vector<NodeId> items;
  bool tuple = false;
};

struct DictNode {
  std::vector<std::pair<NodeId, NodeId>> items;
  bool ordered = false;  ///< collections.OrderedDict
};

/// A name from the allow list, not a thing.
struct GlobalNode {
  enum class Kind {
    ordered_dict,
    rebuild_tensor_v2,
    rebuild_tensor_v3,
    rebuild_parameter,
    rebuild_from_type_v2,
    storage_class,
    untyped_storage,
    dtype,
    size,
    device,
    tensor_class
  };
  Kind kind = Kind::ordered_dict;
  std::uint32_t name = 0;  ///< index into PickleDocument::global_names, "torch.float32"
};

struct StorageNode {
  std::uint32_t index = 0;  ///< into PickleDocument::storages
};

struct TensorNode {
  std::uint32_t index = 0;  ///< into PickleDocument::tensors
};

using Node = std::variant<NoneNode, bool, std::int64_t, double, std::string, SequenceNode, DictNode,
                          GlobalNode, StorageNode, TensorNode>;

/// A raw storage as a persistent id announces it; its bytes lie outside the pickle.
struct StorageRecord {
  std::string key;
  DType dtype = DType::u8;
  bool untyped = false;
  std::int64_t count = 0;  ///< elements of dtype
  std::int64_t bytes = 0;
};

/// A tensor whose every element is known to lie inside its storage.
struct TensorRecord {
  std::uint32_t storage = 0;
  DType dtype = DType::f32;
  std::int64_t byte_offset = 0;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
};

struct PickleDocument {
  std::vector<Node> nodes;
  std::vector<StorageRecord> storages;
  std::unordered_map<std::string, std::uint32_t> storage_by_key;
  std::vector<TensorRecord> tensors;
  std::vector<std::string> global_names;
  NodeId root = 0;
  std::size_t consumed = 0;  ///< bytes up to and including STOP

  template <typename T>
  const T* get(NodeId id) const {
    return std::get_if<T>(&nodes[id]);
  }
};

/// Runs the restricted machine: protocol 2 and the opcodes of torch.save. Data errors: any other opcode or
/// global (by name), strings past the end, too many objects, a stack that does not work out.
PickleDocument parse_pickle(std::span<const std::byte> bytes, const Complaint& complain);

}  // namespace anemll::formats
