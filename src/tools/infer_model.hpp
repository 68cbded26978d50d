// The model that anemll_infer speaks for: weights, text, and what it says about sampling.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/text/chat_template.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/infer/compact_model.hpp"
#include "src/infer/factored.hpp"
#include "src/infer/generation_config.hpp"
#include "src/student/student.hpp"
#include "src/tools/infer_options.hpp"

#include <memory>
#include <optional>
#include <string>

namespace anemll {

struct InferModel {
  std::string name;  ///< for messages
  TextModel text;
  GenerationConfig generation;
  std::optional<ChatTemplate> chat = {};
  std::string fingerprint = {};  ///< of the model whose weights, or whose checkpoint, it is
  /// One of the four.
  std::unique_ptr<CompactModel> compact = {};
  std::unique_ptr<Decoder> plain = {};
  std::unique_ptr<Student> student = {};
  std::unique_ptr<FactoredModel> factored = {};
  /// --check: the model's own weights, until the first prompt.
  std::unique_ptr<Decoder> teacher = {};

  Decoder& decoder();
};

/// Before ranks open a model: rank 0 alone asks the hub, and tells what open_infer_model tells. Collective;
/// one rank is left to look when it opens.
void find_for_ranks(InferOptions& options, const OptionTable& table, Communicator& comm);

/// Finds, opens and loads; tells what is not used, numbers that are not the checkpoint's, and options without
/// effect. Text comes first: what is wrong with it is known before the weights are read. `local_ranks`: ranks
/// on this host, which share its processors and GPUs; `local_rank`: which of them this is.
InferModel open_infer_model(const InferOptions& options, const OptionTable& table, int local_rank = 0,
                            int local_ranks = 1);

/// --factored: what half could not hold so far, of this process.
void tell_ranges(const FactoredModel& model);

}  // namespace anemll
