// See recorded_id.hpp. Files of older versions and of other tools hold paths relative to where they were
// started, which mostly is a folder around the run's.
#include "src/hub/recorded_id.hpp"

#include "anemll/core/error.hpp"
#include "anemll/hub/hub.hpp"
#include "src/hub/internal/names.hpp"

#include <system_error>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kDefaultModel = "Qwen/Qwen3-0.6B";

}  // namespace

std::string id_to_record(const std::string& id) {
  std::error_code ignored;
  if (id.empty() || !fs::exists(id, ignored)) return id;
  return fs::absolute(id).lexically_normal().string();
}

std::optional<std::string> revision_to_record(const std::string& id, const std::string& revision) {
  if (is_local(HubKind::model, id) || revision == HubOptions{}.revision) return std::nullopt;
  return revision;
}

std::string recorded_id(const std::string& id, const fs::path& file) {
  const fs::path path(id);
  if (id.empty() || path.is_absolute()) return id;
  std::error_code ignored;
  fs::path folder = fs::absolute(file).lexically_normal().parent_path();
  while (true) {
    if (fs::exists(folder / path, ignored)) return (folder / path).lexically_normal().string();
    if (folder == folder.parent_path()) break;
    folder = folder.parent_path();
  }
  if (fs::exists(path, ignored)) return fs::absolute(path).lexically_normal().string();
  if (is_repository_name(id)) return id;
  throw_data("the model_id " + id + " is a path, and nothing is there in any folder around this one",
             file.string(), "give the model with --model-id");
}

ModelChoice choose_model(const std::optional<std::string>& id, const std::optional<std::string>& revision,
                         const RecordedModel& recorded) {
  ModelChoice choice;
  if (id) {
    choice.id = *id;
  } else {
    const std::string name = recorded.id.empty() ? kDefaultModel : recorded.id;
    choice.id = recorded.config.empty() ? name : recorded_id(name, recorded.config);
    if (!recorded.revision.empty()) choice.hub.revision = recorded.revision;
  }
  if (revision) choice.hub.revision = *revision;
  return choice;
}

}  // namespace anemll
