// The allow list, and the meaning of each call on it. Shapes and strides are proven to stay inside their
// storage here, before any data is looked at.
#include "src/formats/internal/torch_objects.hpp"

#include "src/formats/internal/limits.hpp"
#include "src/formats/internal/torch_dtype.hpp"
#include "src/formats/shown.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace anemll::formats {
namespace {

using Kind = GlobalNode::Kind;

struct AllowedGlobal {
  std::string_view module;
  std::string_view name;
  Kind kind;
};

constexpr std::array<AllowedGlobal, 9> kAllowed = {
    {{"collections", "OrderedDict", Kind::ordered_dict},
     {"torch._utils", "_rebuild_tensor_v2", Kind::rebuild_tensor_v2},
     {"torch._utils", "_rebuild_tensor_v3", Kind::rebuild_tensor_v3},
     {"torch._utils", "_rebuild_parameter", Kind::rebuild_parameter},
     {"torch._tensor", "_rebuild_from_type_v2", Kind::rebuild_from_type_v2},
     {"torch.storage", "UntypedStorage", Kind::untyped_storage},
     {"torch", "Size", Kind::size},
     {"torch", "device", Kind::device},
     {"torch", "Tensor", Kind::tensor_class}}};

// Types that exist in PyTorch but not here: allowed as names, refused as tensors.
constexpr std::array<std::string_view, 20> kForeignDTypes = {"complex32",
                                                             "complex64",
                                                             "complex128",
                                                             "float8_e4m3fn",
                                                             "float8_e5m2",
                                                             "float8_e4m3fnuz",
                                                             "float8_e5m2fnuz",
                                                             "float8_e8m0fnu",
                                                             "float4_e2m1fn_x2",
                                                             "qint8",
                                                             "quint8",
                                                             "qint32",
                                                             "quint4x2",
                                                             "quint2x4",
                                                             "uint1",
                                                             "uint2",
                                                             "uint3",
                                                             "uint4",
                                                             "int4",
                                                             "bits8"};
constexpr std::array<std::string_view, 7> kForeignStorages = {
    "ComplexFloatStorage", "ComplexDoubleStorage", "QInt8Storage",   "QUInt8Storage",
    "QInt32Storage",       "QUInt4x2Storage",      "QUInt2x4Storage"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr const char* kConvertHint = "convert the tensor to a float, integer or bool type before torch.save";

/// The positional arguments of one call, with the type of each checked on access.
class Arguments {
 public:
  Arguments(const PickleDocument& document, NodeId tuple, std::string_view function,
            const Complaint& complain)
      : document_(document), function_(function), complain_(complain) {
    const auto* sequence = document.get<SequenceNode>(tuple);
    if (sequence == nullptr || !sequence->tuple)
      complain_("the pickle calls " + function_ + " without arguments");
    items_ = &sequence->items;
  }

  std::size_t size() const { return items_->size(); }
  void expect(std::size_t least, std::size_t most) const {
    if (size() < least || size() > most) {
      complain_("the pickle calls " + function_ + " with " + std::to_string(size()) + " arguments");
    }
  }
  NodeId operator[](std::size_t i) const { return (*items_)[i]; }

  template <typename T>
  const T& get(std::size_t i, const char* expected) const {
    const T* value = document_.get<T>((*items_)[i]);
    if (value == nullptr) {
      complain_("argument " + std::to_string(i + 1) + " of " + function_ + " is not " + expected);
    }
    return *value;
  }
  std::int64_t count(std::size_t i) const {
    const auto value = get<std::int64_t>(i, "an integer");
    if (value < 0) complain_("argument " + std::to_string(i + 1) + " of " + function_ + " is negative");
    return value;
  }
  std::vector<std::int64_t> counts(std::size_t i) const {
    const auto& sequence = get<SequenceNode>(i, "a tuple");
    if (sequence.items.size() > kMaxRank)
      complain_("a tensor has more than " + std::to_string(kMaxRank) + " dimensions");
    std::vector<std::int64_t> values;
    for (const NodeId id : sequence.items) {
      const auto* value = document_.get<std::int64_t>(id);
      if (value == nullptr || *value < 0)
        complain_("a tensor has a dimension or stride that is not a natural number");
      values.push_back(*value);
    }
    return values;
  }

 private:
  const PickleDocument& document_;
  std::string function_;
  const Complaint& complain_;
  const std::vector<NodeId>* items_ = nullptr;
};

bool is_global(const PickleDocument& document, NodeId id, Kind kind) {
  const auto* global = document.get<GlobalNode>(id);
  return global != nullptr && global->kind == kind;
}

/// Proves that every element lies inside the storage, in arithmetic that cannot overflow.
void check_bounds(const TensorRecord& tensor, std::int64_t offset, const StorageRecord& storage,
                  const Complaint& complain) {
  const auto item = static_cast<std::int64_t>(size_of(tensor.dtype));
  const std::string label = "a tensor of storage '" + storage.key + "'";
  std::int64_t bytes = item;  // with dimensions of zero left out, so that it bounds every partial product
  std::int64_t last = offset;
  bool empty = false;
  for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
    if (tensor.shape[d] == 0) {
      empty = true;
      continue;
    }
    std::int64_t reach = 0;
    if (!checked_multiply(bytes, tensor.shape[d], bytes) ||
        !checked_multiply(tensor.shape[d] - 1, tensor.strides[d], reach) || !checked_add(last, reach, last)) {
      complain(label + " has a shape that overflows: " + shown_shape(tensor.shape));
    }
  }
  if (empty) return;
  if (last >= storage.bytes / item) {
    complain(label + " reaches past its end: element " + std::to_string(last) + " of " +
             std::to_string(storage.bytes / item));
  }
  if (bytes > storage.bytes && bytes > kMaxExpandedTensorBytes) {
    complain(label + " repeats its elements to " + std::to_string(bytes) + " bytes",
             "give torch.save a contiguous() copy");
  }
}

Node make_tensor(PickleDocument& document, const Arguments& arguments, std::optional<DType> dtype,
                 const Complaint& complain) {
  const auto storage_index = arguments.get<StorageNode>(0, "a storage").index;
  const StorageRecord& storage = document.storages[storage_index];
  if (storage.untyped && !dtype) complain("a tensor of storage '" + storage.key + "' has no type");
  if (!storage.untyped && dtype && *dtype != storage.dtype) {
    complain("a tensor of storage '" + storage.key + "' has another type than its storage");
  }
  TensorRecord tensor;
  tensor.storage = storage_index;
  tensor.dtype = dtype.value_or(storage.dtype);
  const std::int64_t offset = arguments.count(1);
  tensor.shape = arguments.counts(2);
  tensor.strides = arguments.counts(3);
  if (tensor.shape.size() != tensor.strides.size()) {
    complain("a tensor of storage '" + storage.key + "' has not as many strides as dimensions: " +
             std::to_string(tensor.strides.size()) + " and " + std::to_string(tensor.shape.size()));
  }
  check_bounds(tensor, offset, storage, complain);
  const bool empty = std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end();
  if (!empty) tensor.byte_offset = offset * static_cast<std::int64_t>(size_of(tensor.dtype));
  if (document.tensors.size() == kMaxTensors)
    complain("more than " + std::to_string(kMaxTensors) + " tensors");
  document.tensors.push_back(std::move(tensor));
  return TensorNode{static_cast<std::uint32_t>(document.tensors.size() - 1)};
}

std::optional<DType> dtype_argument(const PickleDocument& document, const Arguments& arguments, std::size_t i,
                                    const Complaint& complain) {
  const auto& global = arguments.get<GlobalNode>(i, "a dtype");
  const std::string& name = document.global_names[global.name];
  const std::optional<DType> dtype = global.kind == Kind::dtype
                                         ? torch_dtype(std::string_view(name).substr(name.find('.') + 1))
                                         : std::nullopt;
  if (!dtype) complain("a tensor has the unsupported type " + name, kConvertHint);
  return dtype;
}

std::string device_text(const Arguments& arguments) {
  arguments.expect(1, 2);
  std::string text = arguments.get<std::string>(0, "a string");
  if (arguments.size() == 2) text.append(":").append(std::to_string(arguments.count(1)));
  return text;
}

}  // namespace

Node find_global(PickleDocument& document, std::string_view module, std::string_view name,
                 const Complaint& complain) {
  const std::string full = std::string(module) + "." + std::string(name);
  std::optional<Kind> kind;
  for (const AllowedGlobal& entry : kAllowed) {
    if (entry.module == module && entry.name == name) kind = entry.kind;
  }
  if (!kind && module == "torch") {
    if (torch_storage_dtype(name) || contains(kForeignStorages, name)) kind = Kind::storage_class;
    if (torch_dtype(name) || contains(kForeignDTypes, name)) kind = Kind::dtype;
  }
  if (!kind) {
    complain("the pickle names the global '" + full + "', which is not allowed",
             "give torch.save nothing but dictionaries, lists, numbers, strings and tensors, as "
             "model.state_dict() is");
  }
  document.global_names.push_back(full);
  return GlobalNode{*kind, static_cast<std::uint32_t>(document.global_names.size() - 1)};
}

Node call_global(PickleDocument& document, NodeId callable, NodeId tuple, const Complaint& complain) {
  const auto* global = document.get<GlobalNode>(callable);
  if (global == nullptr) complain("the pickle calls something that is not a function");
  const std::string name = document.global_names[global->name];
  const Arguments arguments(document, tuple, name, complain);
  switch (global->kind) {
    case Kind::ordered_dict:
      arguments.expect(0, 0);
      return DictNode{{}, true};
    case Kind::rebuild_tensor_v2:  // (storage, offset, size, stride, requires_grad, hooks[, metadata])
      arguments.expect(6, 7);
      return make_tensor(document, arguments, std::nullopt, complain);
    case Kind::rebuild_tensor_v3:  // (storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])
      arguments.expect(7, 8);
      return make_tensor(document, arguments, dtype_argument(document, arguments, 6, complain), complain);
    case Kind::rebuild_parameter:  // (tensor, requires_grad, hooks)
      arguments.expect(3, 3);
      return arguments.get<TensorNode>(0, "a tensor");
    case Kind::rebuild_from_type_v2: {  // (function, class, arguments, state): the tensor without its
                                        // attributes
      arguments.expect(4, 4);
      const auto inner = arguments.get<GlobalNode>(0, "a function").kind;
      if (inner != Kind::rebuild_tensor_v2 && inner != Kind::rebuild_tensor_v3 &&
          inner != Kind::rebuild_parameter) {
        complain("the pickle rebuilds a tensor with an unexpected function");
      }
      if (!is_global(document, arguments[1], Kind::tensor_class)) {
        complain("the pickle holds a subclass of torch.Tensor", "give torch.save plain tensors");
      }
      return call_global(document, arguments[0], arguments[2], complain);
    }
    case Kind::size: {  // (dimensions)
      arguments.expect(1, 1);
      SequenceNode size{{}, true};
      size.items = arguments.get<SequenceNode>(0, "a tuple").items;
      return size;
    }
    case Kind::device:
      return device_text(arguments);
    default:
      complain("the pickle calls '" + name + "', which is not a function");
  }
}

Node find_storage(PickleDocument& document, NodeId persistent_id, const Complaint& complain) {
  const Arguments id(document, persistent_id, "a persistent id", complain);
  id.expect(5, 6);
  if (id.get<std::string>(0, "a string") != "storage")
    complain("the pickle has a persistent id that is not a storage");
  const auto& type = id.get<GlobalNode>(1, "a storage class");
  const std::string& type_name = document.global_names[type.name];
  if (type.kind != Kind::storage_class && type.kind != Kind::untyped_storage) {
    complain("the pickle has a storage of type " + type_name);
  }
  StorageRecord record;
  record.key = id.get<std::string>(2, "a string");
  record.untyped = type.kind == Kind::untyped_storage;
  if (!record.untyped) {
    const std::optional<DType> dtype =
        torch_storage_dtype(std::string_view(type_name).substr(type_name.find('.') + 1));
    if (!dtype) complain("storage '" + record.key + "' has the unsupported type " + type_name, kConvertHint);
    record.dtype = *dtype;
  }
  id.get<std::string>(3, "a string");  // the device it was on; everything is read to host memory
  record.count = id.count(4);
  if (id.size() == 6) id.get<NoneNode>(5, "None (views of storages are not supported; save the file again)");
  if (!checked_multiply(record.count, static_cast<std::int64_t>(size_of(record.dtype)), record.bytes)) {
    complain("storage '" + record.key + "' has a size that overflows");
  }

  const auto [it, added] =
      document.storage_by_key.try_emplace(record.key, static_cast<std::uint32_t>(document.storages.size()));
  if (added) {
    document.storages.push_back(std::move(record));
    return StorageNode{it->second};
  }
  const StorageRecord& known = document.storages[it->second];
  if (known.dtype != record.dtype || known.untyped != record.untyped || known.count != record.count) {
    complain("storage '" + record.key + "' is described in two ways");
  }
  return StorageNode{it->second};
}

}  // namespace anemll::formats
