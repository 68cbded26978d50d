#include "src/source/find_model.hpp"

namespace anemll {

std::string find_model(const std::string& id, const HubOptions& hub, ModelUse use, Communicator& comm) {
  std::string path;
  on_root(comm, [&] { path = fetch_model(id, hub, use).path.string(); });
  broadcast_string(comm, path, 0);
  return path;
}

std::string find_model(const std::string& id, const std::string& revision, ModelUse use, Communicator& comm) {
  HubOptions hub;
  hub.revision = revision;
  return find_model(id, hub, use, comm);
}

}  // namespace anemll
