// The conveniences over the Communicator interface: shared decisions, strings, and work that only rank 0
// does while its failure reaches everyone. They use nothing but the interface's own calls.
#include "anemll/comm/communicator.hpp"

#include "anemll/core/error.hpp"
#include "src/core/signals.hpp"
#include "src/core/tool.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <system_error>

namespace anemll {
namespace {

std::span<std::byte> bytes_of(std::string& text) {
  return std::as_writable_bytes(std::span(text.data(), text.size()));
}

std::optional<Error> run_and_catch(const std::function<void()>& work) {
  try {
    work();
    return std::nullopt;
  } catch (...) {
    return current_error();
  }
}

}  // namespace

bool any_rank(Communicator& comm, bool mine) {
  std::int64_t flag = mine ? 1 : 0;
  comm.all_reduce(std::span(&flag, 1), ReduceOp::max);
  return flag != 0;
}

void leave_together(Communicator& comm, std::string_view during, std::string_view hint) {
  std::int64_t signal = pending_signal();
  comm.all_reduce(std::span(&signal, 1), ReduceOp::max);
  if (signal != 0) throw StopError(static_cast<int>(signal), during, hint);
}

void broadcast_string(Communicator& comm, std::string& text, int root) {
  auto size = static_cast<std::uint64_t>(text.size());
  comm.broadcast(std::as_writable_bytes(std::span(&size, 1)), root);
  if (comm.rank() != root) text.assign(size, '\0');
  if (size > 0) comm.broadcast(bytes_of(text), root);
}

std::vector<std::string> gather_strings(Communicator& comm, const std::string& mine) {
  const auto ranks = static_cast<std::size_t>(comm.size());
  const auto size = static_cast<std::uint64_t>(mine.size());
  std::vector<std::uint64_t> sizes(ranks);
  comm.all_gather(std::as_bytes(std::span(&size, 1)), std::as_writable_bytes(std::span(sizes)));
  const std::uint64_t longest = *std::max_element(sizes.begin(), sizes.end());

  std::string padded = mine;
  padded.resize(longest, '\0');
  std::string joined(longest * ranks, '\0');
  if (longest > 0) comm.all_gather(bytes_of(padded), bytes_of(joined));
  std::vector<std::string> all;
  all.reserve(ranks);
  for (std::size_t r = 0; r < ranks; ++r) all.push_back(joined.substr(r * longest, sizes[r]));
  return all;
}

void on_root(Communicator& comm, const std::function<void()>& work) {
  std::optional<Error> failure;
  if (comm.is_root()) failure = run_and_catch(work);
  auto code = failure ? static_cast<std::int64_t>(failure->code()) : 0;
  comm.broadcast(std::as_writable_bytes(std::span(&code, 1)), 0);
  if (code == 0) return;

  std::array<std::string, 3> texts;
  if (failure) texts = {failure->problem(), failure->where(), failure->hint()};
  for (std::string& text : texts) broadcast_string(comm, text, 0);
  throw Error(static_cast<ExitCode>(code), texts[0], texts[1], texts[2]);
}

}  // namespace anemll
