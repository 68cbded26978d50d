#include "src/core/child.hpp"

#include "anemll/core/error.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace anemll {
namespace {

using Clock = std::chrono::steady_clock;

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

/// Until all writers are gone or `deadline` is there: false then.
bool read_all(int from, std::size_t most, std::optional<Clock::time_point> deadline, std::string& text) {
  char buffer[4096];
  while (true) {
    if (deadline) {
      using std::chrono::milliseconds;
      const auto left = std::chrono::duration_cast<milliseconds>(*deadline - Clock::now()).count();
      pollfd wait = {from, POLLIN, 0};
      if (left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) == 0) return false;
    }
    const ssize_t n = ::read(from, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    // The rest is thrown away.
    text.append(buffer, std::min(static_cast<std::size_t>(n), most - std::min(most, text.size())));
  }
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

/// Of this process, without those that `variables` sets.
std::vector<std::string> environment_with(const std::vector<std::string>& variables) {
  std::vector<std::string> all = variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('=') + 1);
    const bool is_set =
        std::ranges::any_of(variables, [&](const std::string& v) { return v.starts_with(name); });
    if (!is_set) all.emplace_back(text);
  }
  return all;
}

}  // namespace

ChildEnd run_child(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                   const ChildSetup& setup) {
  Pipe output;
  if (output.end(0) < 0) cannot_start(program, errno);
  SpawnActions actions;
  ::posix_spawn_file_actions_addopen(actions.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(actions.get(), output.end(1), STDOUT_FILENO);
  if (setup.with_errors) {
    ::posix_spawn_file_actions_adddup2(actions.get(), output.end(1), STDERR_FILENO);
  } else {
    ::posix_spawn_file_actions_addopen(actions.get(), STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  std::vector<std::string> words = {program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = environment_with(setup.variables);
  pid_t child = -1;
  const int code = ::posix_spawn(&child, program.c_str(), actions.get(), nullptr, pointers_to(words).data(),
                                 pointers_to(variables).data());
  if (code != 0) cannot_start(program, code);
  output.close(1);
  std::optional<Clock::time_point> deadline;
  if (setup.limit_s)
    deadline = Clock::now() +
               std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(*setup.limit_s));
  ChildEnd end;
  end.killed = !read_all(output.end(0), setup.most_output, deadline, end.output);
  if (end.killed) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  end.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return end;
}

std::optional<std::filesystem::path> find_program(const std::string& name) {
  const char* variable = std::getenv("PATH");
  std::string_view rest = variable != nullptr ? variable : "";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::filesystem::path program = std::filesystem::path(rest.substr(0, end)) / name;
    std::error_code none;
    if (end > 0 && std::filesystem::is_regular_file(program, none) && ::access(program.c_str(), X_OK) == 0)
      return program;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return std::nullopt;
}

}  // namespace anemll
