// From a parsed pickle and its storages to the public value tree.
#pragma once

#include "anemll/formats/torch_file.hpp"
#include "src/formats/internal/pickle.hpp"
#include "src/formats/internal/zip_reader.hpp"

#include <functional>

namespace anemll::formats {

/// The bytes of one storage; called at most once per storage that a tensor uses. Must return exactly
/// `record.bytes` bytes or complain.
using StorageLookup = std::function<Payload(const StorageRecord& record)>;

/// Data errors: objects that contain themselves, nesting or repetition beyond the limits, dictionary keys
/// that are repeated or neither string nor integer.
TorchValue build_tree(const PickleDocument& document, const StorageLookup& lookup, const Complaint& complain);

}  // namespace anemll::formats
