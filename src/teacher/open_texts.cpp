#include "src/teacher/open_texts.hpp"

#include "anemll/datasets/data_files.hpp"

#include <algorithm>

namespace anemll {

OpenText open_text(const MixturePart& part, DatasetOptions reading, const HubOptions& hub) {
  reading.format = part.format.value_or(reading.format);
  const auto choose = [&](const std::vector<std::string>& names, const std::string& card) {
    return choose_data_files(names, reading, part.name, card).files;
  };
  OpenText text;
  text.at = fetch_dataset(part.name, hub, choose);
  text.documents = Dataset::open(text.at.path, reading);
  return text;
}

bool has_chat(const std::vector<MixturePart>& parts, RecordFormat otherwise) {
  return std::any_of(parts.begin(), parts.end(), [&](const MixturePart& part) {
    return part.format.value_or(otherwise) != RecordFormat::plain;
  });
}

}  // namespace anemll
