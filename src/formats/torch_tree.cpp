// Containers are converted once per node and shared; depth, cycles and repetition are checked on the way
// down.
#include "src/formats/internal/torch_tree.hpp"

#include "src/formats/internal/limits.hpp"

#include <cstring>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace anemll::formats {
namespace {

class TreeBuilder {
 public:
  TreeBuilder(const PickleDocument& document, const StorageLookup& lookup, const Complaint& complain)
      : document_(document), lookup_(lookup), complain_(complain), payloads_(document.storages.size()) {}

  TorchValue build() { return build(document_.root, 0).value; }

 private:
  /// A value and the objects in it, shared ones counted at each use.
  struct Counted {
    TorchValue value;
    std::uint64_t objects = 1;
  };

  Counted build(NodeId id, int depth) {
    if (depth > kMaxDepth)
      complain_("objects are nested deeper than " + std::to_string(kMaxDepth) + " levels");
    return std::visit([&](const auto& node) { return convert(node, id, depth); }, document_.nodes[id]);
  }

  Counted convert(const NoneNode&, NodeId, int) { return {}; }
  Counted convert(bool value, NodeId, int) { return {{value}}; }
  Counted convert(std::int64_t value, NodeId, int) { return {{value}}; }
  Counted convert(double value, NodeId, int) { return {{value}}; }
  Counted convert(const std::string& value, NodeId, int) {
    return {{value}, 1 + value.size() / kTextBytesPerNode};
  }
  Counted convert(const StorageNode&, NodeId, int) {
    complain_("the file holds a bare storage", "give torch.save the tensor instead");
  }
  Counted convert(const GlobalNode& global, NodeId, int) {
    const std::string& name = document_.global_names[global.name];
    if (global.kind != GlobalNode::Kind::dtype)
      complain_("the file holds the class or function " + name + " as a value");
    return {{name}};
  }
  Counted convert(const TensorNode& node, NodeId, int) {
    const TensorRecord& record = document_.tensors[node.index];
    const StorageRecord& storage = document_.storages[record.storage];
    std::optional<Payload>& payload = payloads_[record.storage];
    if (!payload) payload = aligned(lookup_(storage), storage.untyped ? 8 : size_of(storage.dtype));
    HostTensor tensor;
    tensor.dtype = record.dtype;
    tensor.shape = record.shape;
    tensor.strides = record.strides;
    tensor.data = payload->bytes.data() + record.byte_offset;
    tensor.owner = payload->owner;
    return {{std::move(tensor)}, 1 + record.shape.size()};
  }

  Counted convert(const SequenceNode& node, NodeId id, int depth) {
    return shared(id, [&](std::uint64_t& objects) {
      auto list = std::make_shared<TorchValue::List>();
      list->reserve(node.items.size());
      for (const NodeId item : node.items) list->push_back(counted(build(item, depth + 1), objects));
      return TorchValue{std::move(list)};
    });
  }

  Counted convert(const DictNode& node, NodeId id, int depth) {
    return shared(id, [&](std::uint64_t& objects) {
      std::unordered_set<std::string_view> texts;
      std::unordered_set<std::int64_t> integers;
      auto dict = std::make_shared<TorchValue::Dict>();
      dict->reserve(node.items.size());
      for (const auto& [key, value] : node.items) {
        const auto* text = document_.get<std::string>(key);
        const auto* integer = document_.get<std::int64_t>(key);
        if (text == nullptr && integer == nullptr)
          complain_("a dictionary key is neither a string nor an integer");
        if (!(text != nullptr ? texts.insert(*text).second : integers.insert(*integer).second)) {
          complain_("a dictionary has the key '" + (text != nullptr ? *text : std::to_string(*integer)) +
                    "' twice");
        }
        TorchValue converted_key = counted(build(key, depth + 1), objects);
        dict->emplace_back(std::move(converted_key), counted(build(value, depth + 1), objects));
      }
      return TorchValue{std::move(dict)};
    });
  }

  TorchValue counted(Counted part, std::uint64_t& objects) {
    objects += part.objects;
    if (objects > kMaxTreeNodes)
      complain_("the file holds more than " + std::to_string(kMaxTreeNodes) + " objects");
    return std::move(part.value);
  }

  /// Containers are converted once and shared, as in Python; one that is met inside itself is an error.
  template <typename Make>
  Counted shared(NodeId id, Make&& make) {
    const auto [it, added] = finished_.try_emplace(id);
    if (!added) {
      if (!it->second) complain_("an object contains itself");
      return *it->second;
    }
    Counted result;
    result.value = make(result.objects);
    finished_[id] = result;
    return result;
  }

  /// The payload where it lies if its address suits `alignment`, else a copy.
  Payload aligned(Payload payload, std::size_t alignment) {
    if (reinterpret_cast<std::uintptr_t>(payload.bytes.data()) % alignment == 0) return payload;
    HostTensor copy = HostTensor::zeros(DType::u8, {static_cast<std::int64_t>(payload.bytes.size())});
    if (!payload.bytes.empty()) std::memcpy(copy.mutable_bytes(), payload.bytes.data(), payload.bytes.size());
    return {{copy.data, payload.bytes.size()}, copy.owner};
  }

  const PickleDocument& document_;
  const StorageLookup& lookup_;
  const Complaint& complain_;
  std::vector<std::optional<Payload>> payloads_;
  std::unordered_map<NodeId, std::optional<Counted>> finished_;
};

}  // namespace

TorchValue build_tree(const PickleDocument& document, const StorageLookup& lookup,
                      const Complaint& complain) {
  return TreeBuilder(document, lookup, complain).build();
}

}  // namespace anemll::formats
