#include "src/comm/internal/hang.hpp"

#include "anemll/core/log.hpp"

#include <algorithm>
#include <vector>

namespace anemll {
namespace {

constexpr std::size_t kMostNamed = 8;  // a whole host that is gone may have more ranks

bool is_gone(const KnownRank& rank) {
  return rank.heard && (rank.state.left != 0 || rank.silent_s > kSilent_s);
}

bool waits(const KnownRank& rank) {
  return rank.heard && rank.state.waits != 0;
}

std::string what_it_does(const KnownRank& rank, std::uint64_t newest) {
  const auto mine = static_cast<unsigned long long>(rank.state.sequence);
  const auto others = static_cast<unsigned long long>(newest);
  if (rank.state.left != 0) return "it has left while others wait";
  if (is_gone(rank))
    return strf("not heard of for %s: it is stopped, or its host or the network is gone",
                format_seconds(rank.silent_s).c_str());
  if (rank.state.waits == 0)
    return strf("no sign of life for %s, and it waits for no other rank; collectives so far: %llu",
                format_seconds(rank.state.idle_s + rank.silent_s).c_str(), mine);
  if (mine < others)
    return strf("it waits in collective %llu (%s), others are at %llu", mine, rank.state.kind, others);
  return strf("it waits in collective %llu (%s) as all others do: messages do not arrive", mine,
              rank.state.kind);
}

}  // namespace

bool is_hung(std::span<const KnownRank> ranks) {
  return std::any_of(ranks.begin(), ranks.end(), [](const KnownRank& r) { return r.heard; }) &&
         std::all_of(ranks.begin(), ranks.end(), [](const KnownRank& r) {
           return !r.heard || (r.state.limit_s > 0 && r.state.idle_s + r.silent_s > r.state.limit_s);
         });
}

std::string hang_text(std::span<const KnownRank> ranks) {
  std::uint64_t newest = 0;  // that anybody waits in
  for (const KnownRank& rank : ranks) {
    if (waits(rank)) newest = std::max(newest, rank.state.sequence);
  }
  std::vector<const KnownRank*> guilty;
  const auto take = [&](const auto& which) {
    if (!guilty.empty()) return;
    for (const KnownRank& rank : ranks) {
      if (which(rank)) guilty.push_back(&rank);
    }
  };
  take(is_gone);
  take([](const KnownRank& rank) { return rank.heard && !waits(rank); });
  take([&](const KnownRank& rank) { return waits(rank) && rank.state.sequence < newest; });
  take([&](const KnownRank& rank) { return rank.heard; });

  std::string text;
  const std::size_t more = guilty.size() - std::min(guilty.size(), kMostNamed);
  guilty.resize(guilty.size() - more);
  for (const KnownRank* rank : guilty) {
    text += strf("%shung: rank %d on %s in phase %s, step %lld: ", text.empty() ? "" : "\n", rank->state.rank,
                 rank->host.c_str(), rank->state.phase, static_cast<long long>(rank->state.step));
    text += what_it_does(*rank, newest);
  }
  if (more > 0) text += strf("\nhung: %zu more ranks", more);
  for (const KnownRank& rank : ranks) {
    if (rank.heard) continue;
    text += strf(
        "%srank %d on %s was never heard of: it has hung since the start, or the network does not let the "
        "watchdog's datagrams through",
        text.empty() ? "hung: " : "\n", rank.state.rank, rank.host.c_str());
  }
  return text;
}

std::vector<std::string> lost_texts(std::span<const KnownRank> ranks, std::string_view own_host) {
  std::vector<std::string> lines;
  const auto host_is_lost = [&](const std::string& host) {
    return host != own_host && std::ranges::all_of(ranks, [&](const KnownRank& rank) {
             return rank.host != host || !rank.heard || rank.silent_s > kLostHost_s;
           });
  };
  std::size_t more = 0;
  for (const KnownRank& rank : ranks) {
    if (!rank.heard || rank.state.left != 0 || rank.state.ended != 0) continue;
    if (rank.silent_s <= kLost_s && !host_is_lost(rank.host)) continue;
    if (lines.size() == kMostNamed) {
      ++more;
      continue;
    }
    lines.push_back(strf("lost: rank %d on %s in phase %s, step %lld: not heard of for %s", rank.state.rank,
                         rank.host.c_str(), rank.state.phase, static_cast<long long>(rank.state.step),
                         format_seconds(rank.silent_s).c_str()));
  }
  if (more > 0) lines.push_back(strf("lost: %zu more ranks", more));
  return lines;
}

bool tells_of_lost(int rank, std::span<const KnownRank> ranks) {
  if (rank == 0) return true;
  const auto elsewhere = std::find_if(ranks.begin(), ranks.end(),
                                      [&](const KnownRank& known) { return known.host != ranks[0].host; });
  return rank == (elsewhere != ranks.end() ? elsewhere->state.rank : 1);
}

void put_text(std::span<char> field, std::string_view text) {
  std::fill(field.begin(), field.end(), '\0');
  std::copy_n(text.begin(), std::min(text.size(), field.size() - 1), field.begin());
}

}  // namespace anemll
