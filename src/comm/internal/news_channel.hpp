// How rank 0 hears of the other ranks while all of them are stuck in MPI, which one thread only may call:
// datagrams of their states over UDP, beside MPI. They may be lost; the next one says the same.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "src/comm/internal/hang.hpp"

#include <functional>
#include <memory>

namespace anemll {

class NewsChannel {
 public:
  /// What goes to rank 0, and back from it.
  struct News {
    RankState state;
    std::int32_t dumps = 0;  ///< of rank 0: how many dumps of all ranks it has asked for
  };
  using Hear = std::function<void(const News&)>;

  virtual ~NewsChannel() = default;
  /// Sends `mine`: another rank to rank 0, rank 0 to all that it has heard of. Never waits.
  virtual void send(const News& mine) = 0;
  /// Calls `hear` for everything that has come. Never waits.
  virtual void receive(const Hear& hear) = 0;
};

/// Rank 0 opens a port of its host; the others are told it, and try all addresses of that host until one
/// answers. Nothing travels on one rank. Collective. Null where this rank gets no socket: it is then never
/// heard.
std::unique_ptr<NewsChannel> open_news_channel(Communicator& comm);

}  // namespace anemll
