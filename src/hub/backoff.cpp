#include "src/hub/internal/backoff.hpp"

#include "anemll/core/log.hpp"
#include "src/core/plain_numbers.hpp"
#include "src/core/rng.hpp"

#include <algorithm>
#include <cmath>

#include <unistd.h>

namespace anemll {
namespace {

constexpr std::uint64_t kGoodProgress = std::uint64_t{1} << 20;

std::optional<double> seconds_at(const std::string& text, std::size_t at) {
  if (at >= text.size()) return std::nullopt;
  char* end = nullptr;
  const double value = plain_strtod(text.c_str() + at, &end);
  if (end == text.c_str() + at || !std::isfinite(value) || value < 0) return std::nullopt;
  return value;
}

std::string describe(const HttpReply& reply) {
  return reply.failure == HttpFailure::none ? "HTTP " + std::to_string(reply.status) : reply.error;
}

}  // namespace

std::optional<double> asked_to_wait(const HttpReply& reply) {
  if (const std::string* after = reply.header("retry-after")) {
    if (const auto value = seconds_at(*after, 0)) return value;  // a date is not understood
  }
  if (const std::string* limit = reply.header("ratelimit")) {
    // "api";r=0;t=55
    const std::size_t at = limit->find(";t=");
    if (at != std::string::npos) return seconds_at(*limit, at + 3);
  }
  return std::nullopt;
}

bool is_transient(const HttpReply& reply) {
  if (reply.failure == HttpFailure::refused) return false;
  if (reply.failure != HttpFailure::none) return true;
  return reply.status == 408 || reply.status == 429 || reply.status >= 500;
}

void Backoff::progressed(std::uint64_t bytes) {
  failures_ = 0;
  if (bytes >= kGoodProgress) waited_s_ = 0;
}

bool Backoff::again(const HttpReply& reply, const std::string& what) {
  if (!is_transient(reply) || ++failures_ >= policy_.attempts) return false;
  // A name that does not resolve or a port that is closed seldom changes within seconds.
  if (reply.failure == HttpFailure::unreachable && failures_ >= 2) return false;
  const CounterRng rng(static_cast<std::uint64_t>(::getpid()), static_cast<std::uint64_t>(waited_s_ * 1e6));
  const double doubled = policy_.first_s * std::exp2(failures_ - 1);
  double wait =
      std::min(doubled, policy_.longest_s) * (0.5 + 0.5 * rng.uniform(static_cast<std::uint64_t>(failures_)));
  if (const auto asked = asked_to_wait(reply)) wait = std::max(*asked, policy_.first_s / 2);
  if (waited_s_ + wait > policy_.total_s) return false;
  log_info(what + ": " + describe(reply) + "; trying again in " + format_seconds(wait));
  waited_s_ += wait;
  policy_.sleep(wait);
  return true;
}

}  // namespace anemll
