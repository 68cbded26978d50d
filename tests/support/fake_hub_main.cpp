// fake_hub [models|datasets] ORG/NAME FOLDER: serves a folder as a repository of a hub until it is killed.
// Its first line of output is the address for HF_ENDPOINT.
#include "anemll/core/file.hpp"
#include "src/core/tool.hpp"
#include "tests/support/fake_hub.hpp"

#include <cstdio>
#include <filesystem>
#include <string>

#include <unistd.h>

namespace {

namespace fs = std::filesystem;
constexpr std::uintmax_t kLargeBytes = std::uintmax_t{64} * 1024;  // larger files lie in the store

int serve(int argc, char** argv) {
  if (argc != 4) {
    anemll::throw_usage("three arguments are needed", "fake_hub", "fake_hub models|datasets ORG/NAME FOLDER");
  }
  const std::string kind = argv[1];
  const fs::path folder = argv[3];
  anemll::test::FakeHub hub;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    hub.add((kind == "datasets" ? "datasets/" : "") + std::string(argv[2]),
            entry.path().lexically_relative(folder).string(), anemll::read_text(entry.path()),
            entry.file_size() > kLargeBytes);
  }
  std::printf("%s\n", hub.endpoint().c_str());
  std::fflush(stdout);
  for (;;) ::pause();
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_tool([&] { return serve(argc, argv); });
}
