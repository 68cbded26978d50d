// The only file with operating-system and processor conditionals.
#include "src/core/platform.hpp"

#include "src/core/internal/cgroup.hpp"
#include "src/core/lock_holder.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <mach-o/dyld.h>
#endif
#if defined(__linux__)
#include <sched.h>
#include <sys/sysmacros.h>
#endif

namespace anemll {

std::uint64_t peak_resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
#if defined(__APPLE__)
  return static_cast<std::uint64_t>(usage.ru_maxrss);
#else
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
#endif
}

ProcessorLimits processor_limits() {
  ProcessorLimits limits;
  limits.affinity = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
#if defined(__linux__)
  cpu_set_t mask;
  cpu_set_t outer;
  if (::sched_getaffinity(0, sizeof(mask), &mask) == 0) {
    limits.affinity = CPU_COUNT(&mask);
    limits.bound =
        ::sched_getaffinity(::getppid(), sizeof(outer), &outer) == 0 && CPU_COUNT(&outer) > CPU_COUNT(&mask);
  }
#endif
  limits.quota = read_cgroup_limits().processors;
  return limits;
}

std::filesystem::path program_file() {
#if defined(__APPLE__)
  char name[4096];
  std::uint32_t size = sizeof name;
  if (::_NSGetExecutablePath(name, &size) != 0) return {};
  const std::filesystem::path link = name;
#else
  const std::filesystem::path link = "/proc/self/exe";
#endif
  std::error_code none;
  return std::filesystem::canonical(link, none);
}

std::string host_name() {
  char name[256] = "";
  return ::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "this host";
}

double processor_s() {
  timespec spent{};
  if (::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent) != 0) return 0;
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) * 1e-9;
}

bool other_thread_is_ready() {
#if defined(__linux__)
  const std::string own = std::to_string(::gettid());
  std::error_code error;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", error)) {
    if (thread.path().filename() == own) continue;
    std::ifstream file(thread.path() / "stat");
    std::string line;
    std::getline(file, line);
    // "NUMBER (NAME) STATE ...", and a name may hold anything.
    const std::size_t name_ends = line.rfind(") ");
    if (name_ends != std::string::npos && line.compare(name_ends, 3, ") R") == 0) return true;
  }
#endif
  return false;
}

std::string processor_name() {
#if defined(__linux__)
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
#endif
  return "a processor";
}

std::uint64_t physical_memory_bytes() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page <= 0) return 0;
  return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
}

bool cpu_has_bf16() {
#if defined(__x86_64__) && defined(__linux__)
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (line.rfind("flags", 0) == 0) {
      return line.find(" avx512_bf16") != std::string::npos || line.find(" amx_bf16") != std::string::npos;
    }
  }
  return false;
#elif defined(__ARM_FEATURE_BF16)
  return true;
#else
  return false;
#endif
}

bool cpu_is_intel() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_is("intel") != 0;
#else
  return false;
#endif
}

std::optional<int> lock_holder(const std::filesystem::path& file) {
#if defined(__linux__)
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return std::nullopt;
  std::ifstream locks("/proc/locks");  // "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF"
  for (std::string line; std::getline(locks, line);) {
    int process = 0;
    unsigned major_number = 0, minor_number = 0;
    unsigned long long inode = 0;
    const char* const form = "%*d: FLOCK %*s %*s %d %x:%x:%llu";  // who waits has an arrow behind the number
    if (std::sscanf(line.c_str(), form, &process, &major_number, &minor_number, &inode) != 4) continue;
    if (inode == status.st_ino && major(status.st_dev) == major_number &&
        minor(status.st_dev) == minor_number)
      return process;
  }
#else
  (void)file;
#endif
  return std::nullopt;
}

}  // namespace anemll
