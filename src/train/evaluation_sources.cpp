#include "src/train/evaluation_sources.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/data/origin.hpp"
#include "src/train/input_agreement.hpp"
#include "src/train/run_setup.hpp"

#include <cstring>
#include <string>
#include <vector>

namespace anemll {
namespace {

/// Token ids of --eval-text by the model's tokenizer; rank 0 reads and all get them.
std::vector<std::int32_t> read_text_ids(const TrainOptions& options, const ModelFiles& base,
                                        Communicator& comm) {
  const std::string& file = *options.eval_text;
  std::string bytes;
  on_root(comm, [&] {
    const TextModel text = load_text_model(base.folder);
    text.inventory.tell(options.model_id, options.strict);
    std::vector<std::int32_t> ids;
    try {
      text.tokenizer.encode(read_text(file), ids);
    } catch (const Error& e) {
      throw Error(e.code(), e.problem(), file, e.hint());  // the tokenizer does not know whose text it is
    }
    bytes.resize(ids.size() * sizeof(std::int32_t));
    std::memcpy(bytes.data(), ids.data(), bytes.size());
  });
  broadcast_string(comm, bytes, 0);
  std::vector<std::int32_t> ids(bytes.size() / sizeof(std::int32_t));
  std::memcpy(ids.data(), bytes.data(), bytes.size());
  return ids;
}

std::string positions_of(const ModelFiles& model) {
  return "the " + std::to_string(model.architecture.max_positions) + " positions of " + model.folder.string();
}

bool too_long(std::int64_t tokens, const ModelFiles& model) {
  return model.architecture.max_positions > 0 && tokens > model.architecture.max_positions;
}

void check_text(const TrainOptions& options, const ModelFiles& model) {
  if (!too_long(options.eval_ctx, model)) return;
  throw_usage("chunks of " + std::to_string(options.eval_ctx) + " tokens exceed " + positions_of(model),
              "--eval-ctx", "choose fewer");
}

void check_teacher(const ModelFiles& teacher, const ModelFiles& base, const KdCacheInfo& cache) {
  const std::int64_t ids = teacher.architecture.vocab_size;
  if (ids != base.architecture.vocab_size) {
    throw_data("the teacher's vocabulary has " + std::to_string(ids) + " ids, the student's " +
                   std::to_string(base.architecture.vocab_size),
               teacher.folder.string(), "give a teacher of the same family as --teacher-model");
  }
  if (too_long(cache.length, teacher)) {
    throw_data("the cache's sequences of " + std::to_string(cache.length) + " tokens exceed " +
                   positions_of(teacher),
               "--teacher-model", "give a teacher with more, or drop the option");
  }
}

/// Whether the teacher at hand may be run on the cache's rows: when the user asks for it by name, else unless
/// the cache says that another made it.
bool scores_rows(const TrainOptions& options, const ModelFiles& teacher, const KdCacheInfo& cache,
                 Communicator& comm) {
  const CacheOrigin made_by = cache_origin(cache.meta_json).value_or(CacheOrigin{});
  if (made_by.teacher_fingerprint.empty() || made_by.teacher_fingerprint == teacher.fingerprint) return true;
  if (comm.is_root()) {
    const std::string other = options.cache_dir + " was made by another teacher (" + made_by.teacher_model +
                              ", or it has changed) than ";
    if (options.teacher_model) {
      log_warning(other + "--teacher-model " + *options.teacher_model +
                  ": evaluations tell the divergence from the latter, training follows the cache");
    } else {
      log_warning(
          other + "--model-id " + options.model_id +
          ": the latter scores --eval-text only; train_kl and holdout_kl are absent unless the cache has "
          "hidden states for the student's head (--teacher-model names the teacher to run)");
    }
  }
  return options.teacher_model.has_value();
}

}  // namespace

Evaluator::Sources evaluation_sources(const TrainOptions& options, const ModelFiles& base,
                                      const KdCacheInfo& cache, bool cache_shares_head, Communicator& comm) {
  Evaluator::Sources sources;
  sources.base_fingerprint = base.fingerprint;
  sources.cache_hidden = cache_shares_head && !options.teacher_model;
  if (!options.teacher_model && !options.eval_text) return sources;

  if (options.eval_text) check_text(options, base);
  if (options.teacher_model) {
    sources.teacher = load_model_files(find_model(*options.teacher_model, comm));
    compare_model("teacher", *sources.teacher, comm);
    on_root(comm, [&] { sources.teacher->inventory.tell(*options.teacher_model, options.strict); });
    check_teacher(*sources.teacher, base, cache);
    if (options.eval_text) check_text(options, *sources.teacher);
  } else {
    sources.teacher = base;
  }
  sources.teacher_rows = scores_rows(options, *sources.teacher, cache, comm);
  if (options.eval_text) {
    const TextProtocol protocol{options.eval_ctx, options.eval_chunks};
    sources.text.emplace(read_text_ids(options, base, comm), protocol, *options.eval_text);
  }
  return sources;
}

}  // namespace anemll
