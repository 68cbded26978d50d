#include "src/tools/eval_model.hpp"

#include <utility>

namespace anemll {

FoundEvalModel find_eval_model(const std::string& name, const EvalOptions& options, const OptionTable& table,
                               Communicator& comm) {
  const ModelPlace place = place_of_model(name);
  FoundEvalModel found;
  found.name = name;
  found.file = place.checkpoint;
  ModelFlags flags = options.model;
  RecordedModel recorded;
  if (place.weights) {
    flags.id = place.weights;
  } else {
    found.checkpoint = open_checkpoint(place.checkpoint);
    recorded = recorded_model(*found.checkpoint);
  }
  found.base = find_recorded_model(flags, table, recorded, ModelUse::weights, comm);
  return found;
}

FoundEvalModel base_of(const FoundEvalModel& model) {
  return {model.base.name.id, std::nullopt, {}, model.base};
}

EvalModel open_eval_model(const FoundEvalModel& model, bool strict, at::Device device, Communicator& comm) {
  const ModelFiles files = load_named_model(model.base, strict, comm);
  EvalModel opened;
  if (model.checkpoint) {
    opened.student = std::make_unique<Student>(
        open_student(*model.checkpoint, files, device, /*ste=*/true, /*tells=*/comm.is_root()));
    opened.student->set_training(at::kFloat);  // weights are multiplied out once and kept
    opened.size = size_of_student(*opened.student, model.file);
  } else {
    opened.plain = std::make_unique<Decoder>(files, device, /*dense=*/true);
    opened.size = size_of_plain(model.base.opened, files);
  }
  return opened;
}

}  // namespace anemll
