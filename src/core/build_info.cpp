// Text and JSON of the build facts; the facts come from cmake/build_info.cpp.in.
#include "src/core/build_info.hpp"

#include <nlohmann/json.hpp>

namespace anemll {

std::string build_summary(const std::string& program) {
  const BuildInfo& b = build_info();
  std::string text = program + " " + b.version + " (git " + b.git + ")\n";
  text += "  compiler    " + b.compiler + ", " + b.build_type + ", " + b.system + "\n";
  text += "  libtorch    " + b.libtorch + "\n";
  text += "  mpi         " + b.mpi + "\n";
  text += "  hdf5        " + b.hdf5 + "\n";
  text += "  boost       " + b.boost + "\n";
  text += "  nccl        " + b.nccl + "\n";
  text += std::string("  cuda        ") + (b.cuda ? "yes" : "no") + "\n";
  text += "  sanitizers  " + b.sanitizers;
  return text;
}

std::string build_json() {
  const BuildInfo& b = build_info();
  const nlohmann::ordered_json object = {{"version", b.version},
                                         {"git", b.git},
                                         {"compiler", b.compiler},
                                         {"build_type", b.build_type},
                                         {"system", b.system},
                                         {"libtorch", b.libtorch},
                                         {"mpi", b.mpi},
                                         {"hdf5", b.hdf5},
                                         {"boost", b.boost},
                                         {"nccl", b.nccl},
                                         {"sanitizers", b.sanitizers},
                                         {"cuda", b.cuda}};
  return object.dump();
}

}  // namespace anemll
