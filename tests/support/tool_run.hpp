// Runs the built tools as a user would, and reads what they leave behind.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace anemll::test {

struct ToolResult {
  int code = 0;
  std::string output;  ///< stdout and stderr
};

inline std::string bin(const std::string& tool) {
  const char* folder = std::getenv("ANEMLL_BIN");
  return std::string(folder != nullptr ? folder : "build/release/bin") + "/" + tool;
}

/// `command` through the shell.
inline ToolResult run(const std::string& command) {
  ToolResult result;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen failed");
  char buffer[4096];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;)
    result.output.append(buffer, n);
  const int status = ::pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

/// `ranks` ranks through the launch script, as a user would start them.
inline std::string mpirun(int ranks, const std::string& command) {
  if (ranks == 1) return command;
  const char* folder = std::getenv("ANEMLL_LAUNCH");
  return "bash " + std::string(folder != nullptr ? folder : "launch") + "/mpirun.sh -np " +
         std::to_string(ranks) + " " + command;
}

/// Starts `command` in its own process group and kills all of it with SIGKILL after `delay`. True if it was
/// still alive.
inline bool start_and_kill(const std::string& command, std::chrono::milliseconds delay) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setpgid(0, 0);
    const int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, 1);
    ::dup2(null, 2);
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  ::setpgid(child, child);
  const auto deadline = std::chrono::steady_clock::now() + delay;
  int status = 0;
  while (std::chrono::steady_clock::now() < deadline) {
    if (::waitpid(child, &status, WNOHANG) == child) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  ::kill(-child, SIGKILL);
  ::waitpid(child, &status, 0);
  return true;
}

struct CsvRow {
  std::int64_t step = 0;
  std::string train, eval, lr, elapsed;
};

inline std::vector<CsvRow> read_csv(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<CsvRow> rows;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    std::istringstream cells(line);
    CsvRow row;
    std::string step;
    std::getline(cells, step, ',');
    std::getline(cells, row.train, ',');
    std::getline(cells, row.eval, ',');
    std::getline(cells, row.lr, ',');
    std::getline(cells, row.elapsed, ',');
    row.step = std::stoll(step);
    rows.push_back(row);
  }
  return rows;
}

inline std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace anemll::test
