// `anemll env`: what a report of a mistake should tell of a machine.
#include "anemll/core/options.hpp"
#include "src/core/build_info.hpp"
#include "src/core/tool.hpp"
#include "src/machine/machine.hpp"
#include "src/tools/front_manual.hpp"
#include "src/tools/front_programs.hpp"

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using Json = nlohmann::ordered_json;

FactGroup build_facts(const FrontPlace& place) {
  FactGroup group{"Build", {}};
  const Json facts = Json::parse(build_json());  // items() of a temporary would outlive it
  for (const auto& [name, value] : facts.items())
    group.facts.emplace_back(name, value.is_string()   ? value.get<std::string>()
                                   : value.get<bool>() ? "yes"
                                                       : "no");
  group.facts.emplace_back("programs", place.programs().string());
  return group;
}

/// Names may be there twice, as of two OpenMP libraries in one process: that is worth a report.
std::string as_json(const std::vector<FactGroup>& groups) {
  Json object;
  for (const FactGroup& group : groups) {
    Json& slot = object[group.title] = Json::object();
    for (const auto& [name, value] : group.facts) {
      std::string key = name;
      for (int n = 2; slot.contains(key); ++n) key = name + " " + std::to_string(n);
      slot[key] = value;
    }
  }
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

int front_env_command(int argc, char** argv) {
  bool json = false;
  OptionTable table(
      "anemll env",
      "Build, machine, libraries, GPUs, MPI, limits and variables, for a report of a mistake. Secrets are "
      "not told; paths may hold names of users.",
      "");
  table.add_flag("json", &json, "One JSON object.");
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  const FrontPlace place;
  std::vector<FactGroup> groups = machine_facts(place.program("train"));
  groups.insert(groups.begin(), build_facts(place));
  print_result(json ? as_json(groups) : facts_text(groups));
  return 0;
}

}  // namespace anemll
