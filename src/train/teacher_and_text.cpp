#include "src/train/internal/teacher_and_text.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/core/content_kind.hpp"
#include "src/data/origin.hpp"
#include "src/source/find_model.hpp"
#include "src/source/model_agreement.hpp"
#include "src/text/token_samples.hpp"
#include "src/train/internal/live_teacher.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace anemll {
namespace {

/// Token ids of --eval-text by the model's tokenizer; rank 0 reads and all get them.
std::vector<std::int32_t> read_text_ids(const TrainOptions& options, const OpenModel& base,
                                        Communicator& comm) {
  const std::string& file = *options.eval_text;
  std::string bytes;
  on_root(comm, [&] {
    const TextModel text = load_text_model(base.path, TokenizerRules::as_written, base.gguf.get());
    text.inventory.tell(options.model_id, options.strict);
    std::vector<std::int32_t> ids;
    try {
      text.tokenizer.encode(read_input_text(file), ids);
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

/// Every id must have a row in the embeddings of all models that read the text.
void check_ids(const std::vector<std::int32_t>& ids, const ModelFiles& model, const std::string& where) {
  const std::int64_t rows = model.architecture.vocab_size;
  if (const auto bad = find_foreign_id(ids, rows)) {
    throw_data("the text has a token with the id " + std::to_string(ids[*bad]) + "; the embedding of " +
                   model.folder.string() + " has " + std::to_string(rows) + " rows",
               where, "leave this token out of the text");
  }
}

std::string positions_of(const OpenModel& model) {
  return "the " + std::to_string(model.architecture.max_positions) + " positions of " + model.path.string();
}

bool too_long(std::int64_t tokens, const OpenModel& model) {
  return model.architecture.max_positions > 0 && tokens > model.architecture.max_positions;
}

void check_text(const TrainOptions& options, const OpenModel& model) {
  if (!too_long(options.eval_ctx, model)) return;
  throw_usage("chunks of " + std::to_string(options.eval_ctx) + " tokens exceed " + positions_of(model),
              "--eval-ctx", "choose fewer");
}

[[noreturn]] void throw_other_token(const OpenModel& teacher, std::int32_t id, const std::string& there,
                                    const std::string& here) {
  throw_data("the id " + std::to_string(id) + " is '" + there + "' for the teacher and '" + here +
                 "' for the student",
             teacher.path.string(),
             "they belong to different models; give a teacher of the same family as --teacher-model");
}

/// Vocabularies are padded differently: of models with another number of ids, each id that both have must be
/// the same token, as far as both have a tokenizer. With the same number a few may have got another name.
void check_vocabulary(const OpenModel& teacher, const OpenModel& base, Communicator& comm) {
  const std::int64_t theirs = teacher.architecture.vocab_size, own = base.architecture.vocab_size;
  if (teacher.path == base.path) return;
  on_root(comm, [&] {
    if (theirs != own) {
      log_warning(teacher.path.string() + " has " + std::to_string(theirs) + " ids, the student " +
                  std::to_string(own) + ": evaluations compare them over those that both have");
    }
    const std::optional<TextModel> of_teacher = find_text_model(teacher.path, teacher.gguf.get());
    const std::optional<TextModel> of_base = find_text_model(base.path, base.gguf.get());
    if (!of_teacher || !of_base || of_teacher->sha256 == of_base->sha256) return;
    const Tokenizer& a = of_teacher->tokenizer;
    const Tokenizer& b = of_base->tokenizer;
    if (theirs == own) {
      if (const auto sample = foreign_sample(token_samples(a), b))
        throw_other_token(teacher, sample->id, sample->text, token_text(b, sample->id));
      return;
    }
    const std::int64_t shared = std::min({theirs, own, a.size(), b.size()});
    for (std::int32_t id = 0; id < shared; ++id) {
      const std::string in_a = token_text(a, id), in_b = token_text(b, id);
      if (!in_a.empty() && !in_b.empty() && in_a != in_b) throw_other_token(teacher, id, in_a, in_b);
    }
  });
}

void check_teacher(const OpenModel& teacher, const OpenModel& base, const KdCacheInfo& cache,
                   Communicator& comm) {
  check_vocabulary(teacher, base, comm);
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
  if (made_by.teacher_fingerprint.empty() || teacher.is(made_by.teacher_fingerprint)) return true;
  if (comm.is_root()) {
    const std::string other = options.cache_dir + " was made by another teacher (" + made_by.teacher_model +
                              ", or it has changed) than ";
    if (options.teacher_model) {
      log_warning(
          other + "--teacher-model " + *options.teacher_model +
          (needs_live_teacher(options, cache)
               ? ": training and the divergences of evaluations follow the latter, their loss the cache"
               : ": evaluations tell the divergence from the latter, training follows the cache"));
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

Evaluator::Protocol evaluation_protocol(const TrainOptions& options) {
  return {options.eval_samples, options.temperature, options.cache_dir};
}

Evaluator::Sources open_teacher_and_text(const TrainOptions& options, const OpenModel& opened,
                                         const ModelFiles& base, const KdCacheInfo& cache,
                                         bool cache_shares_head, const RankPlace& place) {
  Communicator& comm = place.comm;
  Evaluator::Sources sources;
  sources.base_fingerprint = base.fingerprint;
  sources.cache_hidden = cache_shares_head && !options.teacher_model;
  if (!options.teacher_model && !options.eval_text) return sources;

  if (options.eval_text) check_text(options, opened);
  if (options.teacher_model) {
    const std::string path =
        bring(place, find_model(*options.teacher_model, options.teacher_revision, ModelUse::weights, comm));
    const bool same = path == opened.path;  // is open and in memory
    const OpenModel teacher = same ? opened : open_model(path);
    sources.teacher = same ? base : load_model_files(teacher);
    compare_model("teacher", *sources.teacher, comm);
    on_root(comm, [&] { sources.teacher->inventory.tell(*options.teacher_model, options.strict); });
    check_teacher(teacher, opened, cache, comm);
    if (options.eval_text) check_text(options, teacher);
  } else {
    sources.teacher = base;
  }
  sources.teacher_rows = scores_rows(options, *sources.teacher, cache, comm);
  if (options.eval_text) {
    const TextProtocol protocol{options.eval_ctx, options.eval_chunks};
    const std::vector<std::int32_t> ids = read_text_ids(options, opened, comm);
    check_ids(ids, base, *options.eval_text);
    check_ids(ids, *sources.teacher, *options.eval_text);
    sources.text.emplace(ids, protocol, *options.eval_text);
  }
  return sources;
}

}  // namespace anemll
