// hub_fetch models|datasets NAME: fetches as the programs do, in a process that a test may kill; prints
// folder and commit.
#include "anemll/core/tool.hpp"
#include "anemll/hub/hub.hpp"

#include <cstdio>
#include <string>

int main(int argc, char** argv) {
  return anemll::run_tool([&] {
    if (argc != 3) anemll::throw_usage("two arguments are needed", "hub_fetch", "models|datasets NAME");
    const anemll::HubSnapshot found = std::string(argv[1]) == "datasets" ? anemll::fetch_dataset(argv[2], {})
                                                                         : anemll::fetch_model(argv[2], {});
    std::printf("%s\n%s\n", found.path.c_str(), found.commit.c_str());
    return 0;
  });
}
