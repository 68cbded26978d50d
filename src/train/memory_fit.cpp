// See memory_fit.hpp. Every rank measures its own host; what is decided of that is decided by all.
#include "src/train/internal/memory_fit.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/memory.hpp"
#include "src/core/platform.hpp"
#include "src/train/internal/run_identity.hpp"
#include "src/train/internal/start_by_text.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <unistd.h>

namespace anemll {
namespace {

constexpr double kSpare = 0.9;  // of what is free: the part that a batch is chosen for
constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr std::size_t kShownHolders = 3;
constexpr std::uint64_t kLargeHolder = std::uint64_t{256} << 20U;

std::string size_text(std::int64_t bytes) {
  return format_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0)));
}

HostRoom room_of(const TrainOptions& options, const RankPlace& place) {
  HostRoom room;
  room.ranks = place.local_ranks;
  room.root = place.comm.is_root();
  if (options.memory_limit > 0) {
    room.bytes = room.limit = static_cast<std::int64_t>(options.memory_limit * kGiB);
    return room;
  }
  const HostMemory memory = host_memory();
  room.limit = static_cast<std::int64_t>(memory.limit);
  // What the ranks hold by now is taken from what is free, and it is part of the plan.
  if (memory.available > 0)
    room.bytes = static_cast<std::int64_t>(memory.available +
                                           held_memory_bytes() * static_cast<std::uint64_t>(room.ranks));
  return room;
}

/// ", memory is held by python3 (process 12, 4.0 GiB)": others' than this job's.
std::string holders_text(std::span<const std::int64_t> own) {
  std::string text;
  const std::vector<MemoryHolder> holders = memory_holders(own, kLargeHolder);
  for (std::size_t i = 0; i < std::min(kShownHolders, holders.size()); ++i) {
    text += strf("%s%s (process %lld, %s)", i == 0 ? "; memory is held by " : ", ", holders[i].name.c_str(),
                 static_cast<long long>(holders[i].process), format_bytes(holders[i].bytes).c_str());
  }
  return text;
}

/// What this rank has to say of its host: problem and hint, apart by a line end.
std::string refusal(const MemoryFacts& facts, const HostRoom& room, std::int64_t batch, std::int64_t largest,
                    std::span<const std::int64_t> own) {
  const std::string may_use = facts.options.memory_limit > 0
                                  ? "--memory-limit allows " + size_text(room.limit)
                                  : size_text(room.bytes) + " of " + size_text(room.limit) + " are free";
  const std::string problem =
      strf("the run does not fit into the memory of %s: %d rank%s need%s about %s, %s", host_name().c_str(),
           room.ranks, room.ranks == 1 ? "" : "s", room.ranks == 1 ? "s" : "",
           size_text(host_bytes(facts, batch, room)).c_str(), may_use.c_str());
  std::string remedies;
  if (largest >= facts.ranks && largest < batch) {
    remedies = strf(
        "the largest batch that fits is %lld: give --batch-size %lld with more "
        "--accumulation-steps, or --batch-size auto; ",
        static_cast<long long>(largest), static_cast<long long>(largest));
  } else {
    remedies = "not even one sequence a rank fits; ";
  }
  if (!facts.options.gradient_checkpointing) remedies += "--gradient-checkpointing needs less; ";
  if (facts.ranks > 1) remedies += "so do fewer ranks on a host; ";
  return problem + '\n' + remedies + "--force starts all the same" + holders_text(own);
}

/// The number that every rank has room for; ranks that know nothing of their host have room for all.
std::int64_t smallest_of_all(std::int64_t mine, Communicator& comm) {
  std::int64_t value[] = {mine};
  comm.all_reduce(std::span<std::int64_t>(value), ReduceOp::min);
  return value[0];
}

std::vector<std::int64_t> of_all_ranks(std::int64_t mine, Communicator& comm) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(comm.size()));
  all[static_cast<std::size_t>(comm.rank())] = mine;
  comm.all_reduce(std::span<std::int64_t>(all), ReduceOp::sum);
  return all;
}

/// The words of the rank whose host lacks most, on all ranks; empty when no host lacks any.
std::string first_refusal(const MemoryFacts& facts, const HostRoom& room, std::int64_t batch,
                          std::int64_t largest, Communicator& comm) {
  const std::int64_t lacking =
      room.bytes > 0 ? std::max<std::int64_t>(host_bytes(facts, batch, room) - room.bytes, 0) : 0;
  const std::vector<std::int64_t> all = of_all_ranks(lacking, comm);
  const std::vector<std::int64_t> processes = of_all_ranks(::getpid(), comm);
  const auto worst = std::max_element(all.begin(), all.end());
  if (*worst == 0) return {};
  const int speaker = static_cast<int>(worst - all.begin());
  std::string words;
  if (comm.rank() == speaker) words = refusal(facts, room, batch, largest, processes);
  broadcast_string(comm, words, speaker);
  return words;
}

/// As if it had been typed.
void set_batch_size(Assembly& run, std::int64_t batch) {
  run.options.batch_size = batch;
  auto typed = nlohmann::ordered_json::parse(run.resolved_json, nullptr, false);
  if (!typed.is_object()) return;  // a caller of run_training gave no options
  typed["batch-size"] = batch;
  run.resolved_json = typed.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void choose_batch(Assembly& run, std::int64_t largest) {
  if (run.state) {
    const std::optional<std::int64_t> saved = saved_batch_size(*run.state);
    if (!saved)
      throw_usage("the saved run does not say its batch size", "--batch-size auto",
                  "give the number that the run was started with");
    log_info(strf("--batch-size auto: %lld, that of the saved run", static_cast<long long>(*saved)));
    return set_batch_size(run, *saved);
  }
  if (!run.place.device.is_cpu())
    throw_usage("knows the memory of processors only", "--batch-size auto", "give a number");
  const std::int64_t ranks = run.place.comm.size();
  // Where nothing fits, one row a rank is what the refusal is about.
  set_batch_size(run, std::max(largest, ranks));
  log_info(strf("--batch-size auto: %lld, the largest that fits (%lld sequence%s a rank)",
                static_cast<long long>(run.options.batch_size),
                static_cast<long long>(run.options.batch_size / ranks),
                run.options.batch_size == ranks ? "" : "s"));
}

}  // namespace

std::int64_t host_bytes(const MemoryFacts& facts, std::int64_t batch_size, const HostRoom& room) {
  const std::int64_t other = plan_memory(facts, batch_size, false).total_bytes();
  if (!room.root) return other * room.ranks;
  return plan_memory(facts, batch_size, true).total_bytes() + other * (room.ranks - 1);
}

std::int64_t largest_batch(const MemoryFacts& facts, const HostRoom& room) {
  const auto fits = [&](std::int64_t rows) {
    return static_cast<double>(host_bytes(facts, rows * facts.ranks, room)) <=
           kSpare * static_cast<double>(room.bytes);
  };
  std::int64_t low = 0;  // fits, or is none
  std::int64_t high = std::max<std::int64_t>(facts.cache.sequences / facts.ranks, 1);
  if (room.bytes <= 0 || fits(high)) return high * facts.ranks;
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low * facts.ranks;
}

void settle_memory(Assembly& run, const Architecture& architecture, const SourcePlan& source, bool gguf) {
  const RankPlace& place = run.place;
  const MemoryFacts facts{run.options,
                          architecture,
                          run.data->info(),
                          source,
                          place.comm.size(),
                          place.compute,
                          gguf,
                          !run.state && starts_by_text(run.options)};
  const HostRoom room = room_of(run.options, place);
  const std::int64_t largest = smallest_of_all(largest_batch(facts, room), place.comm);
  if (run.options.batch_size == kAutoBatch) choose_batch(run, largest);
  const std::int64_t batch = run.options.batch_size;
  const MemoryPlan plan = plan_memory(facts, batch, place.comm.is_root());
  run.planned_bytes = plan.total_bytes();
  log_info(plan.text());
  if (!place.device.is_cpu()) return;
  const std::string words = first_refusal(facts, room, batch, largest, place.comm);
  if (words.empty()) return;
  const std::size_t end = words.find('\n');
  if (!run.options.force) throw_usage(words.substr(0, end), "memory plan", words.substr(end + 1));
  if (place.comm.is_root()) log_warning(words.substr(0, end) + " (started by --force)");
}

}  // namespace anemll
