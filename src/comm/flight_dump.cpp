#include "src/comm/internal/flight_dump.hpp"

#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/local_time.hpp"

#include <chrono>
#include <ctime>
#include <exception>
#include <future>
#include <memory>
#include <thread>

#include <nlohmann/json.hpp>
#include <unistd.h>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using nlohmann::ordered_json;

constexpr std::chrono::seconds kPatience{5};

double seconds(FlightRecorder::Clock::duration length) {
  return std::chrono::duration<double>(length).count();
}

ordered_json json_of(const KnownRank& rank) {
  const RankState& s = rank.state;
  return {{"rank", s.rank},         {"host", rank.host},        {"heard", rank.heard},
          {"phase", s.phase},       {"step", s.step},           {"in_collective", s.waits != 0},
          {"sequence", s.sequence}, {"kind", s.kind},           {"idle_s", s.idle_s},
          {"limit_s", s.limit_s},   {"silent_s", rank.silent_s}};
}

/// In `folder`, else where temporary files go.
fs::path write_somewhere(const fs::path& folder, const std::string& name, const std::string& json) {
  const fs::path last = fs::temp_directory_path();
  for (const fs::path& place : {folder, last}) {
    try {
      fs::create_directories(place);
      write_file(place / name, json);
      return place / name;
    } catch (const std::exception& e) {
      // Where it lies elsewhere, one rank need tell.
      anemll::log(place == last ? LogLevel::warning : LogLevel::info,
                  "no dump in " + place.string() + ": " + e.what());
    }
  }
  return {};
}

}  // namespace

std::string flight_json(std::string_view reason, const KnownRank& mine, int ranks,
                        std::span<const FlightRecorder::Collective> collectives,
                        std::span<const KnownRank> known, FlightRecorder::Clock::time_point now) {
  ordered_json json{{"reason", reason},
                    {"time", local_time(std::time(nullptr), "%Y-%m-%dT%H:%M:%S%z")},
                    {"process", ::getpid()},
                    {"ranks", ranks},
                    {"mine", json_of(mine)}};
  ordered_json& list = json["collectives"] = ordered_json::array();
  for (const FlightRecorder::Collective& c : collectives) {
    list.push_back({{"sequence", c.sequence},
                    {"kind", c.kind},
                    {"bytes", c.bytes},
                    {"began_s_ago", seconds(now - c.began)},
                    {"took_s", c.ended ? ordered_json(seconds(*c.ended - c.began)) : ordered_json(nullptr)}});
  }
  ordered_json& others = json["known"] = ordered_json::array();
  for (const KnownRank& rank : known) others.push_back(json_of(rank));
  return json.dump(1) + "\n";
}

fs::path write_flight(const fs::path& folder, int rank, const std::string& json) {
  const std::string name =
      "flight_" + local_time(std::time(nullptr), "%Y%m%d_%H%M%S") + "_rank" + std::to_string(rank) + ".json";
  std::packaged_task<fs::path()> task([=] { return write_somewhere(folder, name, json); });
  std::future<fs::path> written = task.get_future();
  std::thread(std::move(task)).detach();  // a write that hangs is left behind
  if (written.wait_for(kPatience) == std::future_status::ready) return written.get();
  log_warning("no dump: " + folder.string() + " does not take a file");
  return {};
}

}  // namespace anemll
