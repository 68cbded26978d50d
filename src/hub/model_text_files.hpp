// The files of a model that concern text, for whoever hands a model on.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace anemll {

/// Paths below `folder` of the tokenizer's and template files that are there, also of forms that we do not
/// read (vocab.json): other programs may.
std::vector<std::string> model_text_files(const std::filesystem::path& folder);

}  // namespace anemll
