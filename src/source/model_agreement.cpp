#include "src/source/model_agreement.hpp"

#include "src/core/content_digest.hpp"
#include "src/core/hash.hpp"
#include "src/model/model_digests.hpp"
#include "src/model/weight_check.hpp"
#include "src/student/v2_checkpoint.hpp"

#include <cstddef>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kShown = 12;  // digits of a digest in a message

}  // namespace

Agreement agreement_on_files() {
  return Agreement(
      ExitCode::data,
      "give every rank the same files: a folder that all hosts share, or copy them again to each host");
}

std::string shown_digest(const std::vector<fs::path>& files) {
  return content_digest(files).substr(0, kShown);
}

void add_model_facts(Agreement& inputs, const std::string& what, const ModelFiles& model) {
  for (const ModelDigest& part : model_digests(model)) inputs.add(what + " " + part.what, part.digest);
}

void add_model_facts(Agreement& inputs, const std::string& what, const OpenModel& model) {
  inputs.add(what + " configuration", sha256_hex(model.config).substr(0, kShown));
  inputs.add(what + " content", shown_digest(check_weights(model)));
}

void add_checkpoint_facts(Agreement& inputs, const std::string& what, const fs::path& file) {
  inputs.add(what + " content", shown_digest({file}));
  const fs::path config = config_beside(file);
  inputs.add(what + " config", config.empty() ? "none" : shown_digest({config}));
}

void compare_model(const std::string& what, const ModelFiles& model, Communicator& comm) {
  if (comm.size() == 1) return;
  Agreement inputs = agreement_on_files();
  add_model_facts(inputs, what, model);
  inputs.check(comm);
}

}  // namespace anemll
