// Files of rank 0's host on hosts that do not have them.
#pragma once

#include "anemll/comm/communicator.hpp"

#include <filesystem>
#include <string>

namespace anemll {

class FileSender {
 public:
  /// `folder`: where other hosts keep what they get; made there. Hosts are told apart by their names, `host`
  /// is this rank's; the lowest rank of each receives for all of its host. Collective.
  FileSender(Communicator& comm, std::filesystem::path folder, std::string host);

  /// Sends rank 0's `path`, a file with the config.json beside it or a folder with all in it (links are
  /// followed), to all other hosts, under a name that is made of its content: what is there already, with the
  /// same SHA-256, is not sent again. Returns where this rank finds it: `path` itself on rank 0's host.
  /// Collective. Data errors, the same on all ranks: an unreadable path, a host without room.
  std::filesystem::path send(const std::filesystem::path& path);

 private:
  Communicator& comm_;
  std::filesystem::path folder_;
  std::string host_;
  bool other_host_ = false;  ///< than rank 0's
  bool receives_ = false;
};

}  // namespace anemll
