// Several processes on one cache: one killed in the middle, two at once.
#include "tests/unit/hub/hub_fixture.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace anemll;
using namespace anemll::test;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kCut = 100'000;
constexpr auto kPatience = std::chrono::seconds(20);

/// hub_fetch as a child, its output in a file.
class Child {
 public:
  explicit Child(const fs::path& output) {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644);
    ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
    std::string arguments[] = {HUB_FETCH, "org/name"};
    char* argv[] = {arguments[0].data(), arguments[1].data(), nullptr};
    const int code = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv, environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (code != 0) throw std::runtime_error(std::string("cannot start hub_fetch: ") + std::strerror(code));
  }
  ~Child() {
    if (pid_ > 0) kill();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void kill() {
    ::kill(pid_, SIGKILL);
    wait();
  }
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
};

template <class Condition>
bool eventually(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(hub, HubFixture)

BOOST_AUTO_TEST_CASE(what_a_killed_process_had_is_used) {
  add_model();
  hub.on_request([](const FakeRequest& request, FakeReply& reply) {
    if (!request.store || !request.range.empty()) return;
    reply.cut = kCut;
    reply.hang = true;
  });
  Child child(root / "out");
  // Small files come and go while this looks.
  const auto has_part = [&] {
    const std::vector<fs::path> parts = incomplete();
    std::error_code ignored;
    return parts.size() == 1 && fs::file_size(parts.front(), ignored) == kCut;
  };
  BOOST_REQUIRE(eventually(has_part));
  BOOST_CHECK(nothing_looks_whole());
  child.kill();
  std::string range;
  BOOST_CHECK(nothing_looks_whole());
  get();
  BOOST_CHECK(read_text(snapshot / "model.safetensors") == weights);
  BOOST_CHECK(incomplete().empty());
  BOOST_CHECK_EQUAL(hub.count("GET", FakeHub::etag(weights, true)), 2);
  for (const FakeRequest& request : hub.seen()) {
    if (request.store) range = request.range;
  }
  BOOST_CHECK_EQUAL(range, "bytes=100000-");
}

BOOST_AUTO_TEST_CASE(two_processes_download_once) {
  add_model();
  std::atomic<bool> go{false};
  std::atomic<int> lists{0};
  hub.on_request([&](const FakeRequest& request, FakeReply&) {
    if (request.path.find("/revision/") != std::string::npos) ++lists;
    // Both have their lists before one of them gets a file.
    if (request.store) go = eventually([&] { return lists == 2; });
  });
  Child first(root / "out1");
  Child second(root / "out2");
  BOOST_CHECK_EQUAL(first.wait(), 0);
  BOOST_CHECK_EQUAL(second.wait(), 0);
  for (const char* name : {"out1", "out2"}) {
    const std::string out = read_text(root / name);
    BOOST_CHECK_MESSAGE(out.find(snapshot.string() + "\n" + FakeHub::kCommit) != std::string::npos, out);
  }
  BOOST_CHECK(read_text(snapshot / "model.safetensors") == weights);
  BOOST_CHECK_EQUAL(hub.count("GET", FakeHub::etag(weights, true)), 1);
  BOOST_CHECK(incomplete().empty());
}

BOOST_AUTO_TEST_SUITE_END()
