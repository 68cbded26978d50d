// A file system that fails, for programs under LD_PRELOAD. Operations on files below FAULTY_IO_FOLDER that change something
// are points; they are counted over all processes of a run in the file FAULTY_IO_COUNT, from 1 on.
//   FAULTY_IO=count              nothing happens; FAULTY_IO_TRACE gets a line "N operation path" for each point
//   FAULTY_IO=<fault>:<N>[:MS]   from point N on, or at point N alone:
//     full quota readonly        from N on: ENOSPC, EDQUOT, EROFS for all that needs space, or changes anything
//     io                         at N: EIO
//     short interrupt            from N on: writes take a byte to seven; every other call gives EINTR first
//     slow hang                  from N on each point takes MS milliseconds; at N alone
//     kill                       at N: the process gets KILL
// What stdio writes inside of the C library is seen when fwrite or fflush is called. Any thread may call.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum fault { none, count, full, quota, readonly, io, shorter, interrupt, slow, hang, killed };
static const char* const kNames[] = {"",     "count",     "full", "quota", "readonly", "io",
                                     "short", "interrupt", "slow", "hang",  "kill"};

static enum fault fault_;
static long first_ = 1, milliseconds_;
static char folder_[PATH_MAX];
static int trace_ = -1;
static _Atomic long own_count_, *count_ = &own_count_;
static __thread int turn_;  // interrupt: every other call

__attribute__((constructor)) static void start(void) {
  const char* what = getenv("FAULTY_IO");
  const char* folder = getenv("FAULTY_IO_FOLDER");
  const char* counter = getenv("FAULTY_IO_COUNT");
  const char* trace = getenv("FAULTY_IO_TRACE");
  if (what == NULL || folder == NULL) return;
  snprintf(folder_, sizeof(folder_), "%s/", folder);
  const size_t length = strcspn(what, ":");
  for (int i = count; i <= killed; ++i) {
    if (strlen(kNames[i]) == length && strncmp(kNames[i], what, length) == 0) fault_ = (enum fault)i;
  }
  char* end = NULL;
  if (what[length] == ':') first_ = strtol(what + length + 1, &end, 10);
  if (end != NULL && *end == ':') milliseconds_ = strtol(end + 1, NULL, 10);
  if (counter != NULL) {
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, counter, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && syscall(SYS_ftruncate, fd, (long)sizeof(long)) == 0) {
      void* shared = mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      if (shared != MAP_FAILED) count_ = shared;
    }
    if (fd >= 0) syscall(SYS_close, fd);
  }
  if (trace != NULL)
    trace_ = (int)syscall(SYS_openat, AT_FDCWD, trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/// Whether a path, taken from the folder `at`, lies below ours; it is written to `whole`.
static int is_ours(int at, const char* path, char* whole) {
  if (fault_ == none || path == NULL) return 0;
  if (path[0] == '/') {
    snprintf(whole, PATH_MAX, "%s", path);
  } else {
    char link[64];
    char base[PATH_MAX];
    snprintf(link, sizeof(link), at == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", at);
    const ssize_t n = readlink(link, base, sizeof(base) - 1);
    if (n < 0) return 0;
    base[n] = '\0';
    const int size = snprintf(whole, PATH_MAX, "%s/%s", base, path);
    if (size < 0 || size >= PATH_MAX) return 0;
  }
  return strncmp(whole, folder_, strlen(folder_)) == 0;
}

static int is_our_file(int fd, char* whole) {
  char link[64];
  if (fault_ == none) return 0;
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, whole, PATH_MAX - 1);
  if (n < 0) return 0;
  whole[n] = '\0';
  return strncmp(whole, folder_, strlen(folder_)) == 0;
}

static void wait_ms(long ms) {
  struct timespec left = {ms / 1000, (ms % 1000) * 1000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

/// The errno of this point, or 0. `space`: it needs some. `restarts`: the call may give EINTR.
static int point(const char* operation, const char* path, int space, int restarts) {
  const int before = errno;
  const long n = atomic_fetch_add(count_, 1) + 1;
  if (trace_ >= 0) {
    char line[PATH_MAX + 64];
    const int size = snprintf(line, sizeof(line), "%ld %s %s\n", n, operation, path + strlen(folder_));
    if (size > 0) syscall(SYS_write, trace_, line, (size_t)size);
  }
  int error = 0;
  switch (fault_) {
    case full: error = space && n >= first_ ? ENOSPC : 0; break;
    case quota: error = space && n >= first_ ? EDQUOT : 0; break;
    case readonly: error = n >= first_ ? EROFS : 0; break;
    case io: error = n == first_ ? EIO : 0; break;
    case interrupt: error = restarts && n >= first_ && (turn_ ^= 1) ? EINTR : 0; break;
    case slow:
      if (n >= first_) wait_ms(milliseconds_);
      break;
    case hang:
      if (n == first_) wait_ms(milliseconds_);
      break;
    case killed:
      if (n == first_) {
        kill(getpid(), SIGKILL);
        wait_ms(60000);
      }
      break;
    default: break;
  }
  errno = error != 0 ? error : before;
  return error;
}

static size_t shortened(size_t bytes) {
  static _Atomic size_t turn;
  if (fault_ != shorter || atomic_load(count_) < first_ || bytes < 2) return bytes;
  // Large files by halves, or a run would take minutes.
  const size_t few = 1 + atomic_fetch_add(&turn, 1) % 7;
  return bytes > 4096 ? bytes / 2 + few : few < bytes ? few : bytes - 1;
}

#define REAL(name)                                                  \
  static __typeof__(&name) real;                                    \
  if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAILS(operation, ours, space, restarts, failed)             \
  char path_of_point[PATH_MAX];                                     \
  if ((ours) && point(operation, path_of_point, space, restarts) != 0) return failed

ssize_t write(int fd, const void* data, size_t bytes) {
  REAL(write);
  FAILS("write", is_our_file(fd, path_of_point), 1, 1, -1);
  return real(fd, data, is_our_file(fd, path_of_point) ? shortened(bytes) : bytes);
}
ssize_t pwrite(int fd, const void* data, size_t bytes, off_t at) {
  REAL(pwrite);
  FAILS("pwrite", is_our_file(fd, path_of_point), 1, 1, -1);
  return real(fd, data, is_our_file(fd, path_of_point) ? shortened(bytes) : bytes, at);
}
ssize_t pwrite64(int fd, const void* data, size_t bytes, off64_t at) {
  REAL(pwrite64);
  FAILS("pwrite", is_our_file(fd, path_of_point), 1, 1, -1);
  return real(fd, data, is_our_file(fd, path_of_point) ? shortened(bytes) : bytes, at);
}
ssize_t writev(int fd, const struct iovec* parts, int n) {
  REAL(writev);
  FAILS("writev", is_our_file(fd, path_of_point), 1, 1, -1);
  if (is_our_file(fd, path_of_point) && fault_ == shorter && n > 0 && parts[0].iov_len > 0)
    return write(fd, parts[0].iov_base, parts[0].iov_len);
  return real(fd, parts, n);
}
ssize_t sendfile(int to, int from, off_t* at, size_t bytes) {
  REAL(sendfile);
  FAILS("sendfile", is_our_file(to, path_of_point), 1, 0, -1);
  return real(to, from, at, bytes);
}
size_t fwrite(const void* data, size_t size, size_t n, FILE* file) {
  REAL(fwrite);
  FAILS("fwrite", is_our_file(fileno(file), path_of_point), 1, 0, 0);
  return real(data, size, n, file);
}
int fflush(FILE* file) {
  REAL(fflush);
  FAILS("fflush", file != NULL && is_our_file(fileno(file), path_of_point), 1, 0, EOF);
  return real(file);
}
int fsync(int fd) {
  REAL(fsync);
  FAILS("fsync", is_our_file(fd, path_of_point), 0, 0, -1);
  return real(fd);
}
int fdatasync(int fd) {
  REAL(fdatasync);
  FAILS("fdatasync", is_our_file(fd, path_of_point), 0, 0, -1);
  return real(fd);
}
int ftruncate64(int fd, off64_t size) {
  REAL(ftruncate64);
  FAILS("ftruncate", is_our_file(fd, path_of_point), 1, 0, -1);
  return real(fd, size);
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
int rename(const char* from, const char* to) {
  REAL(rename);
  FAILS("rename", is_ours(AT_FDCWD, to, path_of_point), 0, 0, -1);
  return real(from, to);
}
int link(const char* from, const char* to) {
  REAL(link);
  FAILS("link", is_ours(AT_FDCWD, to, path_of_point), 1, 0, -1);
  return real(from, to);
}
int unlink(const char* path) {
  REAL(unlink);
  FAILS("unlink", is_ours(AT_FDCWD, path, path_of_point), 0, 0, -1);
  return real(path);
}
int unlinkat(int at, const char* path, int flags) {
  REAL(unlinkat);
  FAILS("unlink", is_ours(at, path, path_of_point), 0, 0, -1);
  return real(at, path, flags);
}
int rmdir(const char* path) {
  REAL(rmdir);
  FAILS("rmdir", is_ours(AT_FDCWD, path, path_of_point), 0, 0, -1);
  return real(path);
}
int remove(const char* path) {
  REAL(remove);
  FAILS("unlink", is_ours(AT_FDCWD, path, path_of_point), 0, 0, -1);
  return real(path);
}
int mkdir(const char* path, mode_t mode) {
  REAL(mkdir);
  FAILS("mkdir", is_ours(AT_FDCWD, path, path_of_point), 1, 0, -1);
  return real(path, mode);
}

#define OPENS(name, operation)                                                         \
  mode_t mode = 0;                                                                     \
  REAL(name);                                                                          \
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) {                                          \
    va_list rest;                                                                      \
    va_start(rest, flags);                                                             \
    mode = va_arg(rest, mode_t);                                                       \
    va_end(rest);                                                                      \
  }                                                                                    \
  FAILS(operation, (flags & (O_WRONLY | O_RDWR)) != 0 && is_ours(AT_FDCWD, path, path_of_point), \
        (flags & O_CREAT) != 0, 0, -1);                                                \
  return real(path, flags, mode)

int open(const char* path, int flags, ...) { OPENS(open, "open"); }
int open64(const char* path, int flags, ...) { OPENS(open64, "open"); }

FILE* fopen(const char* path, const char* mode) {
  REAL(fopen);
  FAILS("fopen", strpbrk(mode, "wa+") != NULL && is_ours(AT_FDCWD, path, path_of_point), 1, 0, NULL);
  return real(path, mode);
}
FILE* fopen64(const char* path, const char* mode) {
  REAL(fopen64);
  FAILS("fopen", strpbrk(mode, "wa+") != NULL && is_ours(AT_FDCWD, path, path_of_point), 1, 0, NULL);
  return real(path, mode);
}
