// Rank 0 alone asks the hub; the others are told the path.
#include "src/train/internal/find_model.hpp"

namespace anemll {

std::string find_model(const std::string& id, const std::string& revision, ModelUse use, Communicator& comm) {
  HubOptions hub;
  hub.revision = revision;
  std::string path;
  on_root(comm, [&] { path = fetch_model(id, hub, use).path.string(); });
  broadcast_string(comm, path, 0);
  return path;
}

}  // namespace anemll
