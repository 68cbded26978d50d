// hub_fetch NAME: fetches a model as the programs do, in a process that a test may kill; prints folder and
// commit.
#include "anemll/hub/hub.hpp"
#include "src/core/tool.hpp"

#include <cstdio>

int main(int argc, char** argv) {
  return anemll::run_tool([&] {
    if (argc != 2) anemll::throw_usage("one argument is needed", "hub_fetch", "the model's NAME");
    const anemll::HubSnapshot found = anemll::fetch_model(argv[1], {}, anemll::ModelUse::weights);
    std::printf("%s\n%s\n", found.path.c_str(), found.commit.c_str());
    return 0;
  });
}
