#include "src/train/state_model.hpp"

#include "anemll/core/error.hpp"
#include "src/train/internal/source_plan.hpp"
#include "src/train/internal/state_store.hpp"

#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using nlohmann::json;

/// A string of one of the parts of trainer.json, or empty.
std::string string_of(const json& trainer, const char* part, const char* key) {
  if (!trainer.is_object() || !trainer.contains(part) || !trainer[part].is_object()) return {};
  const auto found = trainer[part].find(key);
  return found != trainer[part].end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

StateModel open_state_model(const std::filesystem::path& place) {
  auto state = std::make_shared<SavedState>(StateStore::load(place));
  const json trainer = json::parse(state->trainer_json, nullptr, false);
  StateModel model;
  model.folder = state->folder;
  model.step = state->step;
  model.model_id = string_of(trainer, "options", "model-id");
  model.model_revision = string_of(trainer, "options", "model-revision");
  model.state = std::move(state);
  return model;
}

Student state_student(const StateModel& model, const ModelFiles& files, at::Device device) {
  const SavedState& state = *model.state;
  const std::string folder = model.folder.string();
  const std::string recorded =
      string_of(json::parse(state.trainer_json, nullptr, false), "identity", "model");
  if (!recorded.empty() && !files.is(recorded)) {
    throw_data("the state is of another model than " + files.folder.string(), folder,
               "give the run's own model as --model-id");
  }
  return Student::from_tensors(files, state_spec(state, files.architecture), tensors_of(state), device,
                               folder);
}

}  // namespace anemll
