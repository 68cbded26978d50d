// The models that anemll_eval compares: found at the start, so that a mistake is known before anything runs,
// and read when their turn comes, so that one at a time is in memory.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "src/eval/model_size.hpp"
#include "src/model/decoder.hpp"
#include "src/source/model_place.hpp"
#include "src/source/recorded_model.hpp"
#include "src/student/student.hpp"
#include "src/tools/eval_options.hpp"

#include <memory>
#include <optional>
#include <string>

namespace anemll {

/// A model whose weights were not read.
struct FoundEvalModel {
  std::string name;                        ///< as it was typed
  std::optional<V2Checkpoint> checkpoint;  ///< none: plain weights
  std::string file;                        ///< of the checkpoint
  NamedModel base;                         ///< the plain weights, or the model that the checkpoint is of
};
/// Collective: where the model lies is what rank 0 finds.
FoundEvalModel find_eval_model(const std::string& name, const EvalOptions& options, const OptionTable& table,
                               Communicator& comm);
/// The model that a checkpoint is of, as a model of its own.
FoundEvalModel base_of(const FoundEvalModel& model);

/// A model that can be run, in fp32. One of the two.
struct EvalModel {
  std::unique_ptr<Student> student;
  std::unique_ptr<Decoder> plain;
  ModelSize size;

  Decoder& decoder() { return student ? student->decoder() : *plain; }
};
/// Collective: rank 0 tells what there is to tell.
EvalModel open_eval_model(const FoundEvalModel& model, bool strict, at::Device device, Communicator& comm);

}  // namespace anemll
