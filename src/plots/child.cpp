#include "src/plots/internal/child.hpp"

#include "anemll/core/error.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace anemll {
namespace {

constexpr std::size_t kMostOutput = std::size_t{64} << 10;

[[noreturn]] void cannot_start(const std::filesystem::path& program, int code) {
  throw_data(std::string("cannot start the program: ") + std::strerror(code), program.string(),
             "check that it runs: " + program.string() + " --version");
}

class Pipe {
 public:
  Pipe() {
    if (::pipe2(ends_, O_CLOEXEC) != 0) ends_[0] = ends_[1] = -1;
  }
  ~Pipe() {
    close(0);
    close(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int end(int which) const { return ends_[which]; }
  void close(int which) {
    if (ends_[which] >= 0) ::close(ends_[which]);
    ends_[which] = -1;
  }

 private:
  int ends_[2] = {-1, -1};
};

class SpawnActions {
 public:
  SpawnActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

std::string read_all(int from) {
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t n = ::read(from, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    if (text.size() < kMostOutput)
      text.append(buffer, static_cast<std::size_t>(n));  // the rest is thrown away
  }
}

}  // namespace

ChildEnd run_child(const std::filesystem::path& program, const std::vector<std::string>& arguments) {
  Pipe output;
  if (output.end(0) < 0) cannot_start(program, errno);
  SpawnActions actions;
  ::posix_spawn_file_actions_addopen(actions.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(actions.get(), output.end(1), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(actions.get(), output.end(1), STDERR_FILENO);
  std::vector<std::string> words = {program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = -1;
  const int code = ::posix_spawn(&child, program.c_str(), actions.get(), nullptr, argv.data(), environ);
  if (code != 0) cannot_start(program, code);
  output.close(1);
  ChildEnd end;
  end.output = read_all(output.end(0));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  end.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return end;
}

}  // namespace anemll
