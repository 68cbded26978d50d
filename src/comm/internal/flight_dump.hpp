// A dump of what a rank last did, as JSON.
#pragma once

#include "src/comm/internal/flight_recorder.hpp"
#include "src/comm/internal/hang.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace anemll {

/// {"reason", "time", "rank", "ranks", "host", "process", "phase", "step", "idle_s", "limit_s",
/// "collectives":
/// [{"sequence", "kind", "bytes", "began_s_ago", "took_s" (null while it lasts)}], "known": what this rank
/// knows of others}. Seconds are those before `now`.
std::string flight_json(std::string_view reason, const KnownRank& mine, int ranks,
                        std::span<const FlightRecorder::Collective> collectives,
                        std::span<const KnownRank> known, FlightRecorder::Clock::time_point now);

/// Writes it as FOLDER/flight_<time>_rank<r>.json; in the folder for temporary files when that cannot be.
/// Waits no longer than a few seconds, since the file system may be what hangs. The file, or empty.
std::filesystem::path write_flight(const std::filesystem::path& folder, int rank, const std::string& json);

}  // namespace anemll
