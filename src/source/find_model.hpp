// Where a model lies that the options name: what ranks ask the hub for is asked by one of them.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/hub/hub.hpp"

#include <string>

namespace anemll {

/// The folder or file of a model given by path or hub name. Rank 0 alone looks, and downloads when it has to;
/// the others are told the path, and fail as it does. Collective.
std::string find_model(const std::string& id, const HubOptions& hub, ModelUse use, Communicator& comm);
/// The same with a revision, which counts for hub names.
std::string find_model(const std::string& id, const std::string& revision, ModelUse use, Communicator& comm);

}  // namespace anemll
