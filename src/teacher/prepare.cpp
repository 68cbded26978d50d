#include "src/teacher/internal/prepare.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/data/kd_cache.hpp"
#include "anemll/datasets/dataset.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/core/signals.hpp"
#include "src/datasets/pieces.hpp"
#include "src/teacher/internal/cache_meta.hpp"
#include "src/teacher/internal/pack.hpp"
#include "src/teacher/open_texts.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace anemll {
namespace fs = std::filesystem;
namespace {

HubOptions hub_options(const PrecomputeOptions& o, const std::string& revision) {
  HubOptions hub;
  hub.revision = revision;
  if (o.hub_cache) hub.cache_dir = *o.hub_cache;
  hub.token = o.hub_token;
  hub.local_files_only = o.local_files_only;
  return hub;
}

/// The rules for chat texts; none for plain ones and where the user wants none.
std::optional<ChatTemplate> choose_template(const PrecomputeOptions& o, const TextModel& text) {
  if (o.no_template || o.enable_thinking == Thinking::none ||
      !has_chat(mixture_of(o.dataset), o.dataset.format))
    return std::nullopt;
  ChatTemplate chat = o.chat_template ? ChatTemplate::named(*o.chat_template)
                                      : ChatTemplate::recognise(text.chat_template, text.template_source);
  if (o.template_date) chat.set_date(*o.template_date);
  const std::string notice = thinking_notice(chat, o.enable_thinking);
  if (!notice.empty()) log_info(notice);
  return chat;
}

/// Roles of the records that have another name in the template: what they became is told, for a name can be
/// understood wrongly.
void tell_roles(const Inventory& inventory, const std::string& where) {
  std::string text;
  for (const auto& [name, count] : inventory.names(Fate::used, "role")) {
    if (name.find(" as ") == std::string::npos) continue;
    text += (text.empty() ? "" : ", ") + name + " x " + std::to_string(count);
  }
  if (!text.empty()) log_info(where + ": roles of the records and what they are used as instead: " + text);
}

void check_teacher(const PrecomputeOptions& o, const ModelFiles& teacher, const TextModel& text) {
  const Architecture& a = teacher.architecture;
  if (text.tokenizer.size() > a.vocab_size) {
    log_info(o.teacher + ": the tokenizer has ids up to " + std::to_string(text.tokenizer.size() - 1) +
             ", the weights rows for " + std::to_string(a.vocab_size) +
             "; a token without a row is an error where it occurs");
  }
  if (o.topk + (o.rand_neg > 0 && o.compat == Compat::none ? 1 : 0) > a.vocab_size) {
    throw_usage("the vocabulary of " + std::to_string(a.vocab_size) + " is too small" +
                    (o.topk <= a.vocab_size ? ": the top-k leaves no id for the negatives" : ""),
                "--topk " + std::to_string(o.topk), "ask for fewer");
  }
  if (a.max_positions > 0 && o.max_length > a.max_positions) {
    throw_usage("the teacher has " + std::to_string(a.max_positions) + " positions",
                "--max_length " + std::to_string(o.max_length), "give a smaller one");
  }
  if (!text.eos_id) {
    log_warning(o.teacher + ": no end-of-text token is known; documents are joined without one");
  }
}

/// Training rows wanted: the reference counts whole batches.
std::int64_t rows_wanted(const PrecomputeOptions& o) {
  if (o.compat == Compat::none) return o.num_sequences;
  return (o.num_sequences + o.batch_size - 1) / o.batch_size * o.batch_size;
}

std::int64_t shard_rows(const PrecomputeOptions& o) {
  const std::int64_t step = o.compat == Compat::none ? o.batch_size : 8 * o.batch_size;
  return (o.shard_size + step - 1) / step * step;
}

DatasetOptions dataset_options(const PrecomputeOptions& o) {
  DatasetOptions reading = o.dataset.reading();
  reading.map = field_columns(o.map);
  reading.shuffle = o.shuffle;
  reading.seed = static_cast<std::uint64_t>(o.seed);
  reading.streaming = o.streaming;
  reading.shuffle_buffer = o.shuffle_buffer;
  reading.reference_rules = o.compat == Compat::reference;
  reading.max_bad_records = o.max_bad_records;
  return reading;
}

/// What each data set of a mixture gave, and a line for each. `ends`: the number behind its last file.
void count_parts(const std::vector<MixturePart>& parts, const std::vector<std::size_t>& ends,
                 PackedDataset& out) {
  std::size_t file = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    PackedDataset::Part& part = out.parts.emplace_back();
    part.of = parts[i];
    part.holdout_rows = out.packed.holdout_by_set[i];
    for (; file < std::min(ends[i], out.packed.sources.size()); ++file) {
      part.documents += out.packed.sources[file].documents;
      part.tokens += out.packed.sources[file].tokens;
    }
    if (parts.size() == 1) return;
    log_info(strf("%s: %lld documents, %lld tokens (%.1f%% of the text)", parts[i].name.c_str(),
                  static_cast<long long>(part.documents), static_cast<long long>(part.tokens),
                  100.0 * static_cast<double>(part.tokens) /
                      static_cast<double>(std::max<std::int64_t>(out.packed.tokens, 1))));
  }
}

}  // namespace

void check_hub_cache(const PrecomputeOptions& o) {
  if (!o.hub_cache || !is_plainly_cache(*o.hub_cache)) return;
  throw_usage(
      "this is a KD cache, and the option names the hub cache, into which models and data sets are "
      "downloaded",
      "--hub-cache (--cache_dir) " + *o.hub_cache,
      "leave it out for the usual hub cache; the KD cache to make is --output_dir");
}

CacheShape shape_of(const PrecomputeOptions& o, const ModelFiles& teacher) {
  CacheShape shape;
  shape.length = o.max_length;
  shape.positions = o.max_length - 1;
  shape.topk = o.topk;
  shape.rand_neg = o.rand_neg;
  shape.vocab_size = teacher.architecture.vocab_size;
  if (o.payloads.has(Payload::lse)) {
    shape.list(Payload::lse);
    shape.lse_train_temperature = o.train_temperature;
  }
  if (o.payloads.has(Payload::hidden)) {
    shape.hidden = teacher.architecture.hidden_size;
    shape.head_sha256 = head_sha256(teacher);
  }
  return shape;
}

TeacherInputs open_teacher(const PrecomputeOptions& o) {
  const HubSnapshot at = fetch_model(o.teacher, hub_options(o, o.teacher_revision), ModelUse::all);
  const OpenModel opened = open_model(at.path);
  const TokenizerRules rules =
      o.compat == Compat::reference ? TokenizerRules::transformers : TokenizerRules::as_written;
  TeacherInputs inputs{
      at, load_model_files(opened), load_text_model(at.path, rules, opened.gguf.get()), {}, {}};
  inputs.parts = inputs.model.inventory;
  inputs.parts.add(inputs.text.inventory);
  inputs.parts.tell(o.teacher, o.strict && !o.inspect);
  check_teacher(o, inputs.model, inputs.text);
  inputs.chat = choose_template(o, inputs.text);
  return inputs;
}

namespace {

/// Where all text was drawn into the hold-out part there is enough text, but none to train on.
[[noreturn]] void fail_too_little(const PrecomputeOptions& o, const PackedText& packed,
                                  std::int64_t skipped) {
  const auto number = [](std::int64_t n) { return static_cast<long long>(n); };
  if (packed.tokens >= o.max_length && packed.holdout_documents > 0) {
    const bool cut = o.dataset.format == RecordFormat::plain && !o.cut_corpora;
    throw_data(strf("too little text to train on: --holdout %g holds out %lld of the %lld documents; the "
                    "others gave %lld tokens, one sequence needs %lld",
                    o.holdout, number(packed.holdout_documents), number(packed.documents),
                    number(packed.tokens - packed.holdout_tokens), number(o.max_length)),
               *o.dataset.name,
               std::string("--holdout 0 holds no document out") +
                   (cut ? "; --cut-corpora makes many documents of one of more than 64 KiB" : ""));
  }
  throw_data(strf("too little text: %lld documents (%lld records skipped) gave %lld tokens, one sequence "
                  "needs %lld",
                  number(packed.documents), number(skipped), number(packed.tokens), number(o.max_length)),
             *o.dataset.name,
             "use more text, a smaller --max_length, or check --dataset_format and --dataset_text_field");
}

}  // namespace

PackedDataset pack_dataset(const PrecomputeOptions& o, const TeacherInputs& teacher,
                           const std::optional<fs::path>& file, std::int64_t samples) {
  const DatasetOptions reading = dataset_options(o);
  const std::vector<MixturePart> parts = mixture_of(o.dataset);
  PackedDataset out;
  std::vector<std::unique_ptr<Dataset>> sets;
  std::vector<std::size_t> ends;  // of the files of each
  for (const MixturePart& part : parts) {
    OpenText text = open_text(part, reading, hub_options(o, o.dataset.revision));
    if (!text.at.commit.empty()) out.commit += (out.commit.empty() ? "" : ",") + text.at.commit;
    ends.push_back((ends.empty() ? 0 : ends.back()) + text.documents->files().size());
    sets.push_back(o.cut_corpora ? in_pieces(std::move(text.documents)) : std::move(text.documents));
  }
  const std::unique_ptr<Dataset> dataset = mix(parts, std::move(sets));
  PackOptions packing;
  packing.length = o.max_length;
  packing.blocks = rows_wanted(o);
  packing.holdout = o.holdout;
  packing.seed = reading.seed;
  packing.chat = teacher.chat;
  packing.thinking = o.enable_thinking;
  packing.thinking_asked = o.thinking_asked;
  packing.samples = samples;
  packing.ends = ends;
  packing.vocabulary = teacher.model.architecture.vocab_size;
  Progress bar("tokenising", packing.blocks, "sequences");
  out.packed = pack_documents(*dataset, teacher.text, packing, file, [&](std::int64_t blocks) {
    leave_on_signal("tokenising", "nothing was made yet: run the same command again");
    bar.update(blocks);
  });
  bar.finish();
  count_parts(parts, ends, out);
  out.files = dataset->files();
  out.report = dataset->report();
  out.inventory = out.report.inventory;
  out.inventory.add(out.packed.inventory);
  if (out.packed.blocks == 0) {
    out.inventory.tell(*o.dataset.name, false);  // may be why
    fail_too_little(o, out.packed, dataset->skipped());
  }
  return out;
}

std::int64_t rows_of(const PrecomputeOptions& o, std::int64_t blocks) {
  return o.compat == Compat::none ? blocks : blocks / o.batch_size * o.batch_size;
}

Prepared prepare_precompute(const PrecomputeOptions& o, const std::string& dtype, int threads) {
  TeacherInputs inputs = open_teacher(o);
  const ModelFiles& teacher = inputs.model;
  const std::string identity = identity_of(o, dtype, teacher.fingerprint, inputs.text, inputs.chat);
  const std::string earlier = identity_of(o, dtype, teacher.first_fingerprint, inputs.text, inputs.chat);

  auto owned = std::make_unique<Workspace>(o.output_dir, identity, o.resume, o.overwrite, earlier);
  Workspace& workspace = *owned;
  const auto hand_over = [&] {
    return Prepared{std::move(owned), inputs.at.path.string(), std::move(inputs.model)};
  };
  if (workspace.state() != Workspace::State::fresh) return hand_over();

  const PackedDataset read = pack_dataset(o, inputs, Workspace::tokens_file(workspace.folder()));
  const PackedText& packed = read.packed;
  read.inventory.tell(*o.dataset.name, o.strict);
  tell_roles(read.inventory, *o.dataset.name);
  Plan plan;
  plan.identity_json = identity;
  plan.tokens_sha256 = packed.sha256;
  plan.shape = shape_of(o, teacher);
  plan.rows = rows_of(o, packed.blocks);
  plan.holdout_rows = packed.holdout_blocks;
  plan.batch_size = o.batch_size;
  plan.shard_rows = shard_rows(o);
  plan.threads = threads;
  if (plan.rows == 0) {
    throw_data("the text gives " + std::to_string(packed.blocks) + " sequences, not one whole batch of " +
                   std::to_string(o.batch_size),
               *o.dataset.name, "use more text or a smaller --batch_size");
  }
  if (plan.rows < o.num_sequences) {
    log_warning(strf("the text gives %lld sequences, %lld were asked for", static_cast<long long>(plan.rows),
                     static_cast<long long>(o.num_sequences)));
  }
  if (o.holdout > 0 && plan.holdout_rows == 0) {
    log_warning(
        "the hold-out documents do not fill one sequence: the cache will have no hold-out part "
        "(larger --holdout or more text)");
  }
  plan.meta_json = meta_of(o, plan, inputs, read);
  log_info(strf("%lld documents (%lld held out): %lld sequences of %lld tokens, %lld held out",
                static_cast<long long>(packed.documents), static_cast<long long>(packed.holdout_documents),
                static_cast<long long>(plan.rows), static_cast<long long>(o.max_length),
                static_cast<long long>(plan.holdout_rows)));
  workspace.start(plan);
  return hand_over();
}

}  // namespace anemll
