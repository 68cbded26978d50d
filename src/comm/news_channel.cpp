#include "src/comm/internal/news_channel.hpp"

#include "anemll/core/log.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <random>
#include <type_traits>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <ifaddrs.h>

namespace anemll {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using boost::system::error_code;

/// What rank 0 tells the others over MPI.
struct Meeting {
  std::uint64_t job = 0;  ///< a random number: datagrams of others are not ours
  std::uint16_t port = 0;
  std::uint16_t addresses = 0;
  std::array<std::uint32_t, 16> address = {};
};

struct Datagram {
  std::uint64_t job;
  NewsChannel::News news;
};
static_assert(std::is_trivially_copyable_v<Datagram> && std::is_trivially_copyable_v<Meeting>);

/// All IPv4 addresses of this host, that of itself to itself included: ranks of one host meet there.
void add_own_addresses(Meeting& meeting) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
    if (meeting.addresses == meeting.address.size()) break;
    sockaddr_in address{};
    std::memcpy(&address, entry->ifa_addr, sizeof address);
    meeting.address.at(meeting.addresses++) = ntohl(address.sin_addr.s_addr);
  }
  ::freeifaddrs(list);
}

class UdpChannel final : public NewsChannel {
 public:
  explicit UdpChannel(int rank) : rank_(rank), socket_(context_) {
    socket_.open(udp::v4());
    socket_.bind({udp::v4(), 0});
    socket_.non_blocking(true);
  }

  std::uint16_t port() const { return socket_.local_endpoint().port(); }
  void meet(const Meeting& meeting) {
    job_ = meeting.job;
    if (rank_ == 0) return;
    for (std::uint16_t i = 0; i < meeting.addresses; ++i)
      peers_[-1 - i] = {asio::ip::address_v4(meeting.address.at(i)), meeting.port};
  }

  void send(const News& mine) override {
    const Datagram datagram{job_, mine};
    for (const auto& [rank, peer] : peers_) {
      error_code lost;  // the next one says the same
      socket_.send_to(asio::buffer(&datagram, sizeof datagram), peer, 0, lost);
    }
  }

  void receive(const Hear& hear) override {
    for (;;) {
      Datagram datagram{};
      udp::endpoint from;
      error_code code;
      const std::size_t n = socket_.receive_from(asio::buffer(&datagram, sizeof datagram), from, 0, code);
      if (code == asio::error::would_block || code == asio::error::bad_descriptor) return;
      if (code || n != sizeof datagram || datagram.job != job_)
        continue;                      // a refused one, or somebody else's
      if (rank_ != 0) peers_.clear();  // that address of rank 0's host it is
      peers_[datagram.news.state.rank] = from;
      hear(datagram.news);
    }
  }

 private:
  int rank_;
  asio::io_context context_;
  udp::socket socket_;
  std::uint64_t job_ = 0;
  std::map<int, udp::endpoint> peers_;  ///< by rank; not yet known ones below 0
};

std::unique_ptr<UdpChannel> make_channel(int rank) {
  try {
    return std::make_unique<UdpChannel>(rank);
  } catch (const boost::system::system_error& e) {
    log_warning(std::string("the watchdog gets no socket, so it cannot tell which rank hangs: ") + e.what());
    return nullptr;
  }
}

}  // namespace

std::unique_ptr<NewsChannel> open_news_channel(Communicator& comm) {
  if (comm.size() == 1) return nullptr;
  std::unique_ptr<UdpChannel> channel = make_channel(comm.rank());
  Meeting meeting;
  if (comm.is_root() && channel) {
    std::random_device random;
    meeting.job = (std::uint64_t{random()} << 32U) | random();
    meeting.port = channel->port();
    add_own_addresses(meeting);
  }
  comm.broadcast(std::as_writable_bytes(std::span(&meeting, 1)), 0);
  if (meeting.port == 0) return nullptr;  // rank 0 has no socket
  if (channel) channel->meet(meeting);
  return channel;
}

}  // namespace anemll
