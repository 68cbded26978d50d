// A model hub as a program of its own, for tests that use programs from the outside. FAKE_HUB is its path.
#pragma once

#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace anemll::test {

/// The program that serves one repository, for as long as this object lives: a shell between the two ends it
/// when its input closes, which happens however the test ends.
class HubProgram {
 public:
  HubProgram(const char* kind, const char* name, const std::filesystem::path& folder) {
    int input[2], output[2];
    if (::pipe(input) != 0 || ::pipe(output) != 0) throw std::runtime_error("pipe failed");
    for (const int fd : {input[0], input[1], output[0], output[1]}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(input[0], 0);
      ::dup2(output[1], 1);
      ::execl("/bin/sh", "sh", "-c", "\"$@\" & hub=$!; cat >/dev/null; kill $hub; wait $hub 2>/dev/null",
              "sh", FAKE_HUB, kind, name, folder.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(input[0]);
    ::close(output[1]);
    life_ = input[1];
    for (char c = 0; ::read(output[0], &c, 1) == 1 && c != '\n';) endpoint_ += c;
    ::close(output[0]);
    if (endpoint_.find("http://") != 0) throw std::runtime_error("the hub does not run: " + endpoint_);
  }
  ~HubProgram() {
    ::close(life_);
    ::waitpid(child_, nullptr, 0);
  }
  HubProgram(const HubProgram&) = delete;
  HubProgram& operator=(const HubProgram&) = delete;

  std::string online() const { return "HF_HUB_OFFLINE=0 HF_ENDPOINT=" + endpoint_ + " "; }

 private:
  pid_t child_ = -1;
  int life_ = -1;
  std::string endpoint_;
};

/// The nano model as its repository has it.
inline std::filesystem::path nano_repository(const TempDir& temp) {
  namespace fs = std::filesystem;
  fs::create_directories(temp / "nano");
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                           "chat_template.jinja"}) {
    fs::copy_file(golden("nano") / name, temp / "nano" / name);
  }
  return temp / "nano";
}

}  // namespace anemll::test
