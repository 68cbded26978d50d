// HTTP requests over libcurl: one at a time, redirects followed by hand so that the access token goes to the
// endpoint's host alone, time-outs without progress, headers in lower case. Retries are the callers' part.
#pragma once

#include "src/hub/internal/settings.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace anemll {

enum class HttpFailure {
  none,         ///< the server answered; `status` says what
  unreachable,  ///< no such host, no connection
  timed_out,    ///< nothing came for as long as the time-out says
  broken,       ///< the connection ended before the answer did, or was not HTTP
  refused,      ///< certificate, scheme or redirect that is not followed: trying again is no use
};

struct HttpReply {
  HttpFailure failure = HttpFailure::none;
  std::string error;  ///< what libcurl says of the failure
  long status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case; of the last answer
  std::string body;                            ///< unless it went to a sink
  std::string url;                             ///< of the last request, without its query

  const std::string* header(const std::string& name) const {
    const auto found = headers.find(name);
    return found != headers.end() ? &found->second : nullptr;
  }
  bool ok() const { return failure == HttpFailure::none && status >= 200 && status < 300; }
};

/// Takes the body of a successful answer. Exceptions of its functions end the transfer and reach the caller.
struct BodySink {
  std::function<void(const HttpReply& head)> begin;
  std::function<void(std::span<const std::byte> bytes)> write;
};

class HttpClient {
 public:
  explicit HttpClient(const HubSettings& settings);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Follows redirects only where they name no host (a renamed repository); the answer is a redirect itself
  /// when the content lies elsewhere.
  HttpReply head(const std::string& url);
  /// The whole body as text, of at most 64 MiB.
  HttpReply get_text(const std::string& url);
  /// From byte `offset` on, into the sink; follows redirects to any host.
  HttpReply get(const std::string& url, std::uint64_t offset, const BodySink& sink);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anemll
