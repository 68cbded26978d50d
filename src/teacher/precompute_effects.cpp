#include "src/teacher/precompute_effects.hpp"

#include "anemll/hub/hub.hpp"
#include "src/datasets/mixture.hpp"

namespace anemll {
namespace {

using Facts = PrecomputeFacts;

bool plain(const Facts& f) {
  return !f.has_chat;
}
bool local(const Facts& f) {
  return f.local_teacher && f.local_dataset;
}
bool shuffles(const Facts& f) {
  return f.options.shuffle && (!f.options.streaming || f.options.shuffle_buffer > 1);
}

}  // namespace

std::vector<OptionEffect<PrecomputeFacts>> precompute_option_effects() {
  const auto without_template = [](const Facts& f) { return f.options.enable_thinking == Thinking::none; };
  return {
      {"teacher_revision", "on a local teacher: revisions are the hub's",
       [](const Facts& f) { return f.local_teacher; }},
      {"dataset_revision", "on local data: revisions are the hub's",
       [](const Facts& f) { return f.local_dataset; }},
      {"hub-cache", "on local files: it is the hub's cache, --output_dir is the folder to make", local},
      {"hf_token", "on local files: nothing is asked of the hub", local},
      {"hf_token", "with --local_files_only: nothing is asked of the hub",
       [](const Facts& f) { return f.options.local_files_only; }},
      {"dataset_text_field", "with a --dataset_format other than plain",
       [](const Facts& f) { return !f.has_plain; }},
      {"enable_thinking", "with --dataset_format plain: no chat is rendered", plain},
      {"enable_thinking", "with --no-template", [](const Facts& f) { return f.options.no_template; }},
      {"chat-template", "with --dataset_format plain: no chat is rendered", plain},
      {"chat-template", "with --enable_thinking none: no template is used", without_template},
      {"template-date", "with --dataset_format plain: no chat is rendered", plain},
      {"template-date", "with --enable_thinking none: no template is used", without_template},
      {"template-date", "with --no-template", [](const Facts& f) { return f.options.no_template; }},
      {"no-template", "with --dataset_format plain: no chat is rendered", plain},
      {"train_temperature", "without lse in --payload: nothing is stored at that temperature",
       [](const Facts& f) { return !f.options.payloads.has(Payload::lse); }},
      {"topk", "with --payload tokens",
       [](const Facts& f) { return !f.options.payloads.has(Payload::topk); }},
      {"shuffle_buffer", "with --no-shuffle", [](const Facts& f) { return !f.options.shuffle; }},
      {"shuffle", "with --streaming and no --shuffle_buffer: the order of the files is kept",
       [](const Facts& f) { return f.options.shuffle && !shuffles(f); }},
      {"wandb_run_name", "without --wandb_project", [](const Facts& f) { return !f.options.wandb_project; }},
      {"wandb_entity", "without --wandb_project", [](const Facts& f) { return !f.options.wandb_project; }},
      {"seed", "where nothing is shuffled, held out or drawn",
       [](const Facts& f) { return !shuffles(f) && f.options.holdout == 0 && f.options.rand_neg == 0; }},
  };
}

std::vector<UnreadOption> unread_precompute_options(const PrecomputeOptions& options,
                                                    const OptionTable& given) {
  PrecomputeFacts facts{options, is_local(HubKind::model, options.teacher), true};
  for (const MixturePart& part : mixture_of(options.dataset)) {
    facts.local_dataset = facts.local_dataset && is_local(HubKind::dataset, part.name);
    const bool plain_part = part.format.value_or(options.dataset.format) == RecordFormat::plain;
    (plain_part ? facts.has_plain : facts.has_chat) = true;
  }
  return unread_options(precompute_option_effects(), facts,
                        [&](const std::string& name) { return given.given(name); });
}

}  // namespace anemll
