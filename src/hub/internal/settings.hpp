// What the environment and the caller decide about hub access: cache root, endpoint, token, offline switches,
// time-outs and the patience of retries. Read once per call, so that tests and programs may change variables.
#pragma once

#include "anemll/hub/hub.hpp"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace anemll {

/// How often and how long a failing request is tried again.
struct RetryPolicy {
  int attempts = 5;       ///< in a row without progress
  double first_s = 0.5;   ///< doubled each time, with jitter
  double longest_s = 20;  ///< of one wait that the server did not ask for
  double total_s = 300;   ///< of all waits of one request
  /// Sleeps; empty: really, and leaving when SIGTERM or SIGUSR1 asks for it.
  std::function<void(double seconds)> sleep;
};

struct HubSettings {
  std::filesystem::path cache_root;
  std::string endpoint;  ///< scheme, host, port and perhaps a path; no slash at the end
  std::string token;     ///< empty: none
  std::string offline;   ///< the switch that forbids the network, as its user wrote it; empty: allowed
  double etag_timeout_s = 10;
  double download_timeout_s = 10;
  RetryPolicy retry;
  bool symlinks = true;  ///< false: as on file systems that have none
};

/// A variable that is set and not empty.
std::optional<std::string> environment(const std::string& name);

/// A leading ~ and $NAME or ${NAME}, as Python's expanduser and expandvars do; unknown names stay.
std::string expand_path(std::string text);

/// Throws a usage error for variables that cannot be what they say (a time-out that is no number, an endpoint
/// that is no URL, a token with control characters).
HubSettings read_settings(const HubOptions& options);

}  // namespace anemll
