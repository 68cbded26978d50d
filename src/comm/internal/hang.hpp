// Whether a job stands still, and who keeps it: a rule over what the ranks last said of themselves. No
// clocks, threads or sockets here.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

/// What a rank says of itself, as it travels between hosts of one architecture.
struct RankState {
  std::int32_t rank = 0;
  std::int16_t waits = 0;      ///< 1: in a collective, for other ranks
  std::int16_t left = 0;       ///< 1: it watches no more, since it is done
  std::int64_t step = 0;       ///< of training
  std::uint64_t sequence = 0;  ///< of that collective, else of its newest
  double idle_s = 0;           ///< since its last sign of life
  double limit_s = 0;          ///< how long that may last in its phase; 0: for ever
  char phase[16] = {};
  char kind[24] = {};      ///< of that collective
  std::int16_t ended = 0;  ///< 1: it has got TERM
};

/// A rank as rank 0 knows it.
struct KnownRank {
  std::string host;
  RankState state;
  double silent_s = 0;  ///< since its last word
  bool heard = false;   ///< there was one
};

/// No word for this long: the process is stopped, or its host or the network is gone.
inline constexpr double kSilent_s = 5;

/// All ranks that were heard of have been idle for longer than they may. One that was not heard of keeps
/// none.
bool is_hung(std::span<const KnownRank> ranks);

/// "hung: rank 3 on b in phase backward: not heard of for 131 s (...)", a line for each rank that keeps the
/// others: those that are silent or have left; else those that wait for nobody; else those that wait in an
/// earlier collective than others; else all, whose messages do not arrive.
std::string hang_text(std::span<const KnownRank> ranks);

/// While a job is ended by mpirun: no word for this long, though every rank that lives then says one at once.
inline constexpr double kLost_s = 1.5;
/// The same where no rank of its host says any: mpirun leaves the others but a second to tell it.
inline constexpr double kLostHost_s = 0.9;

/// "lost: rank 6 on c in phase backward, step 23: not heard of for 3.2s", one line for each rank that is
/// silent for longer than kLost_s, or with all of its host, which is not `own_host`, for longer than
/// kLostHost_s, and has neither left nor said that it is ended; of more than eight
/// the rest is counted.
std::vector<std::string> lost_texts(std::span<const KnownRank> ranks, std::string_view own_host);

/// Who tells of the others when a job is ended: rank 0; where it is lost itself, the first rank of another
/// host than its own, else rank 1.
bool tells_of_lost(int rank, std::span<const KnownRank> ranks);

/// Copies text into a field of RankState, cut to what it holds.
void put_text(std::span<char> field, std::string_view text);

}  // namespace anemll
