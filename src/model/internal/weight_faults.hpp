// Weights that another tool has left half done: adapters beside their base, and tensors without elements.
#pragma once

#include "src/model/internal/weight_files.hpp"

#include <filesystem>
#include <string>

namespace anemll {

/// An adapter changes what the weights beside it compute, so a model with both is a data error.
void refuse_adapters(const FoundMap& found, const std::filesystem::path& model);

/// A tensor without elements is a data error.
void refuse_empty(const std::string& name, const Found& found);

}  // namespace anemll
