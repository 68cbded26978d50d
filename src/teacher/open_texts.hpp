// Data sets by name, one or a mixture, as one stream of documents; and the rules by which a model's
// conversations become text. For programs that read text for a model. Rank 0 only.
#pragma once

#include "anemll/datasets/dataset.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/datasets/mixture.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

/// A data set that was found: on this machine or on the hub.
struct OpenText {
  HubSnapshot at;
  std::unique_ptr<Dataset> documents;
};
/// One part of a mixture; `reading.format` holds where it names none of its own. Errors as fetch_dataset and
/// Dataset::open.
OpenText open_text(const MixturePart& part, DatasetOptions reading, const HubOptions& hub);

/// Whether a part holds conversations.
bool has_chat(const std::vector<MixturePart>& parts, RecordFormat otherwise);

}  // namespace anemll
