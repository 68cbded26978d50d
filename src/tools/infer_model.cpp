#include "src/tools/infer_model.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "src/core/content_digest.hpp"
#include "src/infer/prompt_check.hpp"
#include "src/source/find_model.hpp"
#include "src/source/model_place.hpp"

#include <filesystem>
#include <utility>
#include <vector>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kGeneration = "generation_config.json";

void require_version(LayerVersion wanted, const QuantSpec& spec, const std::string& file) {
  if (wanted == LayerVersion::automatic) return;
  const std::string type = wanted == LayerVersion::v1 ? "v1" : "v2";
  for (const QuantSpec::Entry& entry : spec.entries()) {
    if (entry.quant.type == type || entry.quant.lut_size == 0) continue;
    throw_usage(
        "--version " + type + ", but by its tensors " + entry.linear + " is a layer of " + entry.quant.type,
        file, "drop --version, or give the checkpoint that is meant");
  }
}

at::ScalarType compute_type(const InferOptions& o, at::Device device) {
  if (o.factored || o.precision == Precision::fp32) return at::kFloat;
  if (o.precision == Precision::bf16) return at::kBFloat16;
  return device.is_cuda() ? at::kBFloat16 : at::kFloat;
}

std::optional<ChatTemplate> chat_of(const InferOptions& o, const TextModel& text, const std::string& name) {
  if (o.no_template) return std::nullopt;
  if (!o.chat_template && text.chat_template.empty()) {
    log_info(name + " has no chat template: prompts are continued as they are");
    return std::nullopt;
  }
  ChatTemplate chat = o.chat_template ? ChatTemplate::named(*o.chat_template)
                                      : ChatTemplate::recognise(text.chat_template, text.template_source);
  if (o.template_date) chat.set_date(*o.template_date);
  return chat;
}

/// A template that is not this model's.
void tell_template(const InferOptions& o, const ChatTemplate& chat, const TextModel& text,
                   const std::string& name) {
  for (const std::string& mark : foreign_marks(chat, text.tokenizer)) {
    log_warning("answers will be garbled: the chat template " + chat.name() + " writes " + mark +
                ", which is no token of the tokenizer of " + name +
                "; to mend it: give --model-id of the model that was trained, or --no-template");
  }
  if (!o.chat_template || text.chat_template.empty()) return;
  std::string own;
  try {
    own = ChatTemplate::recognise(text.chat_template, text.template_source).name();
  } catch (const Error&) {
    return;  // that is what the option is for
  }
  if (own != chat.name()) {
    log_warning("answers may be garbled: --chat-template " + chat.name() + " is not the template of " + name +
                ", which is " + own + "; to mend it: drop the option");
  }
}

/// What of a model concerns text, and where its generation_config.json would be.
struct TextSource {
  TextModel text;
  fs::path folder;
};

/// What the options name, as far as it is known without the hub.
struct NamedSource {
  ModelPlace place;
  std::optional<V2Checkpoint> checkpoint;
  RecordedModel recorded;
  ModelFlags flags;
  /// Plain weights may lie in a folder without a tokenizer; --model-id then names one.
  bool text_elsewhere = false;

  bool is_plain() const { return place.checkpoint.empty(); }
  ModelUse use() const { return text_elsewhere ? ModelUse::weights : ModelUse::generation; }
};

NamedSource source_of(const InferOptions& o) {
  NamedSource source;
  source.place = place_of_model(o.checkpoint);
  if (o.factored && source.is_plain())
    throw_usage("plain weights have no factors", "--factored", "give a V2 checkpoint, or drop the flag");
  if (!source.is_plain()) {
    source.checkpoint = open_checkpoint(source.place.checkpoint);
    source.recorded = recorded_model(*source.checkpoint);
  }
  source.flags = o.model;
  if (source.place.weights) source.flags.id = source.place.weights;
  source.text_elsewhere = source.place.weights && o.model.id;
  return source;
}

HubOptions text_hub(const InferOptions& o) {
  HubOptions hub;
  if (o.model.revision) hub.revision = *o.model.revision;
  return hub;
}

TextSource text_of(const InferOptions& o, const NamedSource& source, const NamedModel& named) {
  if (!source.text_elsewhere)
    return {load_text_model(named.opened.path, TokenizerRules::as_written, named.opened.gguf.get()),
            named.opened.path};
  const fs::path path = o.found ? o.found->text : fetch_model(*o.model.id, text_hub(o), ModelUse::text).path;
  return {load_text_model(path), path};
}

GenerationConfig generation_of(const NamedModel& named, const TextSource& text) {
  fs::path file = named.opened.path / kGeneration;  // of a .gguf file a path that is not there
  if (!fs::exists(file)) file = text.folder / kGeneration;
  return read_generation_config(file, named.opened.config, text.text.eos_id);
}

}  // namespace

Decoder& InferModel::decoder() {
  if (compact) return compact->decoder();
  if (factored) return factored->decoder();
  return student ? student->decoder() : *plain;
}

void find_for_ranks(InferOptions& o, const OptionTable& table, Communicator& comm) {
  if (comm.size() == 1) return;
  NamedSource source;  // of rank 0
  on_root(comm, [&] { source = source_of(o); });
  FoundForRanks found;
  found.weights = locate_recorded_model(source.flags, table, source.recorded, source.use(), comm);
  if (any_rank(comm, source.text_elsewhere))
    found.text = find_model(o.model.id.value_or(""), text_hub(o), ModelUse::text, comm);
  found.tells = comm.is_root();
  o.found = found;
}

InferModel open_infer_model(const InferOptions& o, const OptionTable& table, int local_rank,
                            int local_ranks) {
  const NamedSource source = source_of(o);
  const ModelPlace& place = source.place;
  const bool is_plain = source.is_plain();
  const bool tells = !o.found || o.found->tells;
  const at::Device device = prepare_compute(o.model, o.threads, local_rank, local_ranks);
  const at::ScalarType compute = compute_type(o, device);
  const bool is_compact = device.is_cpu() && compute == at::kFloat && !o.factored;
  if (is_plain && is_compact && o.weight_format == WeightFormat::packed)
    throw_usage("plain weights have no codes", "--weight-format packed",
                "give a V2 checkpoint, or use --weight-format dense");
  const NamedModel named = o.found ? NamedModel{o.found->weights.name, open_model(o.found->weights.path)}
                                   : find_recorded_model(source.flags, table, source.recorded, source.use());

  TextSource text = text_of(o, source, named);
  if (tells) text.text.inventory.tell(source.text_elsewhere ? *o.model.id : named.name.id, o.model.strict);
  GenerationConfig generation = generation_of(named, text);
  if (tells) generation.inventory.tell(named.name.id, o.model.strict);
  InferModel model{is_plain ? named.name.id : place.checkpoint, std::move(text.text), std::move(generation)};
  model.chat = chat_of(o, model.text, named.name.id);
  if (model.chat) {
    if (tells) tell_template(o, *model.chat, model.text, named.name.id);
    add_template_stops(model.generation.stops, *model.chat, model.text.tokenizer);
  }
  if (tells && model.generation.stops.empty())
    log_warning(named.name.id + " names no end of text: an answer ends at --max-tokens");
  const InferFacts facts{o, is_plain, model.chat.has_value(), model.chat && model.chat->has_thinking_switch(),
                         is_compact};
  const auto given = [&](const std::string& name) { return table.given(name); };
  if (tells) tell_unread(unread_options(infer_option_effects(), facts, given));

  const ModelFiles files = tells ? load_named_model(named, o.model.strict) : load_model_files(named.opened);
  model.fingerprint = files.fingerprint;
  if (!is_plain) {
    const fs::path file = place.checkpoint;
    model.fingerprint += ' ';
    model.fingerprint += content_digest({&file, 1});
  }
  if (is_plain && is_compact) {
    model.compact = std::make_unique<CompactModel>(files);
    log_info(model.compact->facts().describe());
    return model;
  }
  if (is_plain) {
    model.plain = std::make_unique<Decoder>(files, device, /*dense=*/true);
    model.plain->set_compute(compute);
    return model;
  }
  model.student =
      std::make_unique<Student>(open_student(*source.checkpoint, files, device, /*ste=*/true, tells));
  require_version(o.version, model.student->spec(), place.checkpoint);
  if (tells) tell_differences(o.numbers, model.student->spec().usual());
  if (o.check && !o.batch) model.teacher = std::make_unique<Decoder>(files, device, /*dense=*/true);
  if (o.factored) {
    model.factored = std::make_unique<FactoredModel>(model.student->files(), model.student->layers(), device);
    model.student.reset();
    return model;
  }
  if (is_compact) {
    model.compact =
        std::make_unique<CompactModel>(model.student->files(), model.student->layers(), o.weight_format);
    log_info(model.compact->facts().describe());
    model.student.reset();
    return model;
  }
  model.student->set_training(compute);  // weights are multiplied out once and kept
  return model;
}

void tell_ranges(const FactoredModel& model) {
  HalfRange all;
  for (const auto& range : model.ranges()) {
    all.values += range->values;
    all.beyond += range->beyond;
    all.infinite_sums += range->infinite_sums;
    if (range->beyond == 0 && range->infinite_sums == 0) continue;
    log_warning(strf("%s: %lld of %lld values beyond 65504, %lld partial sums became infinite",
                     range->layer.c_str(), static_cast<long long>(range->beyond),
                     static_cast<long long>(range->values), static_cast<long long>(range->infinite_sums)));
  }
  log_info(strf("FP16, all %zu linears: %lld of %lld values beyond 65504, %lld partial sums became infinite",
                model.ranges().size(), static_cast<long long>(all.beyond), static_cast<long long>(all.values),
                static_cast<long long>(all.infinite_sums)));
}

}  // namespace anemll
