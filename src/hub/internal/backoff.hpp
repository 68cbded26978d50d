// When a failed request is tried again, and after how long: what the server asks for, else doubling waits
// with jitter, bounded in number and in total.
#pragma once

#include "src/hub/internal/http.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace anemll {

/// Seconds until the server wants to be asked again: Retry-After, or t of a "ratelimit" header.
std::optional<double> asked_to_wait(const HttpReply& reply);

/// Whether trying again can help: connections that failed or broke, 408, 429 and 5xx.
bool is_transient(const HttpReply& reply);

class Backoff {
 public:
  explicit Backoff(const RetryPolicy& policy) : policy_(policy) {}

  /// Waits and returns true, or returns false when this reply is final or patience is at its end.
  bool again(const HttpReply& reply, const std::string& what);
  /// Bytes were gained: the count of failures begins anew, and after a good many the total of waits too.
  void progressed(std::uint64_t bytes);

 private:
  RetryPolicy policy_;
  int failures_ = 0;
  double waited_s_ = 0;
};

}  // namespace anemll
