// Where a model lies that the options name.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/hub/hub.hpp"

#include <string>

namespace anemll {

/// The folder or file of a model given by path or hub name; rank 0 downloads it when it has to. `revision`
/// counts for hub names. Collective.
std::string find_model(const std::string& id, const std::string& revision, ModelUse use, Communicator& comm);

}  // namespace anemll
