// From value trees to named tensors.
#include "anemll/core/error.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/formats/internal/limits.hpp"

#include <array>
#include <string>
#include <utility>

namespace anemll {
namespace {

constexpr const char* kStateKey = "model_state_dict";
/// Of files without it that hold no tensor beside: Lightning and others, DeepSpeed.
constexpr std::array kOtherStateKeys = {"state_dict", "model", "module"};

std::string key_text(const TorchValue& key, const std::string& file) {
  if (const auto* text = std::get_if<std::string>(&key.value)) return *text;
  if (const auto* integer = std::get_if<std::int64_t>(&key.value)) return std::to_string(*integer);
  throw_data("a dictionary key is neither a string nor an integer", file,
             "give torch.save a dictionary with string keys");
}

class Flattener {
 public:
  explicit Flattener(std::string file) : file_(std::move(file)) {}

  void visit(const TorchValue& value, const std::string& name) {
    if (const auto* tensor = std::get_if<HostTensor>(&value.value)) return add(name, *tensor);
    const std::string prefix = name.empty() ? name : name + ".";
    if (const auto* list = std::get_if<std::shared_ptr<TorchValue::List>>(&value.value)) {
      std::size_t i = 0;
      for (const TorchValue& item : **list) visit(item, prefix + std::to_string(i++));
    } else if (const auto* dict = std::get_if<std::shared_ptr<TorchValue::Dict>>(&value.value)) {
      for (const auto& [key, item] : **dict) visit(item, prefix + key_text(key, file_));
    }
  }

  TensorMap tensors;

 private:
  void add(const std::string& name, const HostTensor& tensor) {
    if (tensors.contains(name)) {
      throw_data("two tensors have the name '" + name + "'", file_, "rename one of them before torch.save");
    }
    if (tensors.size() == formats::kMaxTensors) {
      throw_data("more than " + std::to_string(formats::kMaxTensors) + " tensors, the next is '" + name + "'",
                 file_, "split the file, with torch.save of each part");
    }
    tensors.set(name, tensor);
  }

  std::string file_;
};

const TorchValue::Dict* as_dict(const TorchValue& value) {
  const auto* dict = std::get_if<std::shared_ptr<TorchValue::Dict>>(&value.value);
  return dict == nullptr ? nullptr : dict->get();
}

const TorchValue* find_text_key(const TorchValue::Dict& dict, const std::string& key) {
  for (const auto& [name, value] : dict) {
    const auto* text = std::get_if<std::string>(&name.value);
    if (text != nullptr && *text == key) return &value;
  }
  return nullptr;
}

}  // namespace

TensorMap flatten_tensors(const TorchValue& value, const std::filesystem::path& file) {
  Flattener flattener(file.string());
  flattener.visit(value, "");
  return std::move(flattener.tensors);
}

TensorMap read_state_dict(const std::filesystem::path& path) {
  return read_state_dict(MappedFile::open(path));
}

TensorMap read_state_dict(const std::shared_ptr<const MappedFile>& map) {
  const TorchValue file = read_torch_file(map);
  const std::filesystem::path& path = map->path();
  const std::string hint =
      "give a file with a dictionary of tensors, as torch.save(model.state_dict(), path) writes it";
  const TorchValue::Dict* dict = as_dict(file);
  if (dict == nullptr)
    throw_data("the file does not hold a dictionary: it has neither keys nor tensors with names",
               path.string(), hint);
  if (const TorchValue* inner = find_text_key(*dict, kStateKey); inner != nullptr) {
    dict = as_dict(*inner);
    if (dict == nullptr) throw_data(std::string(kStateKey) + " is not a dictionary", path.string(), hint);
  }
  const std::string name = path.string();
  Flattener flattener(name);
  const auto take = [&](const TorchValue::Dict& from) {
    for (const auto& [key, value] : from)
      if (std::holds_alternative<HostTensor>(value.value)) flattener.visit(value, key_text(key, name));
  };
  take(*dict);
  for (const char* key : kOtherStateKeys) {
    if (!flattener.tensors.empty()) break;
    const TorchValue* inner = find_text_key(*dict, key);
    if (const TorchValue::Dict* state = inner == nullptr ? nullptr : as_dict(*inner)) take(*state);
  }
  if (flattener.tensors.empty()) throw_data("the file's dictionary holds no tensors", path.string(), hint);
  return std::move(flattener.tensors);
}

}  // namespace anemll
