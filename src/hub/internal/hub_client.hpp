// What a hub is asked about one repository: its files, what lies behind one of them, its bytes. Answers that
// are no success become errors that say what to do.
#pragma once

#include "anemll/core/error.hpp"
#include "src/hub/internal/http.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

struct HubListing {
  std::string commit;              ///< 40 hexadecimal digits
  std::vector<std::string> files;  ///< as the server names them: not checked
};

/// The repository is there, the revision is not.
class NoSuchRevision : public Error {
  using Error::Error;
};

struct RemoteFile {
  std::string path;
  std::string url;
  std::string etag;
  std::optional<std::uint64_t> size;  ///< unknown where the server does not tell
};

class HubClient {
 public:
  /// `tried`: the places that were looked at before, for messages.
  HubClient(const HubSettings& settings, HubKind kind, const std::string& id, const std::string& tried);

  /// The page of the repository that people read.
  const std::string& page() const { return page_; }
  HubListing list(const std::string& revision);
  RemoteFile find(const std::string& commit, const std::string& path);
  /// One request; nothing is tried again.
  HttpReply get(const RemoteFile& file, std::uint64_t offset, const BodySink& sink);
  /// Throws what a reply that is no success means. `what`: what was asked for.
  [[noreturn]] void fail(const HttpReply& reply, const std::string& what) const;

 private:
  std::string places(const std::string& url) const;
  [[noreturn]] void fail_status(const HttpReply& reply, const std::string& what) const;

  HubSettings settings_;
  HttpClient http_;
  std::string tried_;
  std::string word_;  // "model", "dataset"
  std::string id_;
  std::string page_;
  std::string api_;
  std::string revision_;
};

}  // namespace anemll
