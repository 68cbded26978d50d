// anemll_eval: any number of models side by side, on texts, caches and questions.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/comm/watched_ranks.hpp"
#include "src/core/option_effects.hpp"
#include "src/core/printable.hpp"
#include "src/core/result_files.hpp"
#include "src/core/shell_word.hpp"
#include "src/core/tool.hpp"
#include "src/eval/choices.hpp"
#include "src/eval/comparison.hpp"
#include "src/eval/eval_text.hpp"
#include "src/model/weight_check.hpp"
#include "src/source/find_model.hpp"
#include "src/source/model_agreement.hpp"
#include "src/text/token_samples.hpp"
#include "src/tools/eval_model.hpp"
#include "src/tools/eval_options.hpp"
#include "src/tools/eval_report.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace anemll;

/// The models of the command line and the one that they are held against.
struct Models {
  std::vector<FoundEvalModel> all;
  std::optional<FoundEvalModel> teacher;
};

Models find_models(const EvalOptions& o, const OptionTable& table, Communicator& comm) {
  Models models;
  for (const std::string& name : o.models) models.all.push_back(find_eval_model(name, o, table, comm));
  if (!o.has_text() || o.no_teacher) return models;
  if (o.teacher) {
    models.teacher = find_eval_model(*o.teacher, o, table, comm);
    return models;
  }
  const auto first = std::find_if(models.all.begin(), models.all.end(),
                                  [](const FoundEvalModel& m) { return m.checkpoint.has_value(); });
  if (first != models.all.end()) {
    models.teacher = base_of(*first);
    log_info("teacher: " + models.teacher->name + ", the model of " + first->name);
  } else {
    log_info("no teacher: only likelihoods are told; --teacher MODEL names one");
  }
  return models;
}

/// Nothing where it is not needed and rank 0 has none.
std::optional<TextModel> find_text(const EvalOptions& o, const Models& models, Communicator& comm) {
  if (o.tokenizer) {
    TextModel text = load_text_model(find_model(*o.tokenizer, HubOptions(), ModelUse::text, comm));
    on_root(comm, [&] { text.inventory.tell(*o.tokenizer, o.model.strict); });
    return text;
  }
  const NamedModel& named = models.teacher ? models.teacher->base : models.all.front().base;
  const bool needed = !o.texts.empty() || !o.records.empty() || o.choices;
  const bool there =
      needed || named.opened.gguf || std::filesystem::exists(named.opened.path / "tokenizer.json");
  if (!any_rank(comm, comm.is_root() && there)) return std::nullopt;
  const std::filesystem::path path =
      named.opened.gguf
          ? named.opened.path
          : std::filesystem::path(find_model(named.name.id, named.name.hub, ModelUse::text, comm));
  TextModel text = load_text_model(path, TokenizerRules::as_written, named.opened.gguf.get());
  on_root(comm, [&] { text.inventory.tell(named.name.id, o.model.strict); });
  return text;
}

/// Ids of another family's model mean other texts: its figures would be of nothing.
void require_one_vocabulary(const EvalOptions& o, const Models& models, const TextModel& text,
                            Communicator& comm) {
  if (o.tokenizer) return;  // somebody knows better than the folders
  const NamedModel& named = models.teacher ? models.teacher->base : models.all.front().base;
  on_root(comm, [&] {
    const std::vector<TokenSample> samples = token_samples(text.tokenizer);
    for (const FoundEvalModel& model : models.all) {
      const OpenModel& opened = model.base.opened;
      if (opened.path == named.opened.path) continue;
      const std::optional<TextModel> own = find_text_model(opened.path, opened.gguf.get());
      if (!own || own->sha256 == text.sha256) continue;
      const std::optional<TokenSample> foreign = foreign_sample(samples, own->tokenizer);
      if (!foreign) continue;
      throw_data(strf("the id %d is %s for this model, and %s for %s", foreign->id,
                      in_quotes(token_text(own->tokenizer, foreign->id)).c_str(),
                      in_quotes(foreign->text).c_str(), named.name.id.c_str()),
                 model.name,
                 "all models read the ids of one tokenizer: score models of another family apart; "
                 "--tokenizer MODEL says whose ids are right for all");
    }
  });
}

EvalText read_text_sources(const EvalOptions& o, const std::optional<TextModel>& text, const OpenModel& first,
                           Communicator& comm) {
  EvalText all;
  for (const std::string& file : o.texts) add_text(all, file, text->tokenizer, o.text);
  for (const std::string& path : o.records) add_records(all, path, *text, o.text);
  for (const std::string& cache : o.caches)
    add_cache(all, cache, o.work_dir, ids_of(first), o.text.chunks, comm, o.cache_part);
  return all;
}

/// Everything that ranks must have read alike. A file that several models have is read once.
void compare_inputs(const TextScorer& scorer, const std::optional<ChoiceQuestions>& questions,
                    const Models& models, Communicator& comm) {
  if (comm.size() == 1) return;
  Agreement inputs = agreement_on_files();
  inputs.add("text", scorer.digest());
  if (questions) inputs.add("questions", TextScorer(questions->windows).digest());
  inputs.add("teacher", models.teacher ? models.teacher->name : "none");
  std::vector<const FoundEvalModel*> all;
  for (const FoundEvalModel& model : models.all) all.push_back(&model);
  if (models.teacher) all.push_back(&*models.teacher);
  std::set<std::string> seen;
  for (const FoundEvalModel* model : all) {
    if (model->checkpoint && seen.insert(model->file).second)
      add_checkpoint_facts(inputs, strf("checkpoint %s", model->name.c_str()), model->file);
    const NamedModel& base = model->base;
    if (seen.insert(base.opened.path.string()).second)
      add_model_facts(inputs, strf("model %s", base.name.id.c_str()), base.opened);
  }
  inputs.check(comm);
}

/// work() while a bar shows the windows of `scorer` that are done.
template <class Work>
auto with_bar(const std::string& title, TextScorer& scorer, const Work& work) {
  Progress bar(title, scorer.chunks(), "chunks");
  scorer.set_progress([&bar](std::int64_t done) { bar.update(done); });
  auto result = work();
  scorer.set_progress({});
  bar.finish();
  return result;
}

/// The teacher's run; gives its head, which every comparison needs.
at::Tensor run_teacher(const FoundEvalModel& found, const EvalOptions& o, at::Device device,
                       TextScorer& scorer, Communicator& comm) {
  EvalModel teacher = open_eval_model(found, o.model.strict, device, comm);
  const Architecture& a = teacher.decoder().architecture();
  require_fit(scorer.windows(), a.vocab_size, a.max_positions, found.name);
  return with_bar("Running the teacher " + found.name, scorer, [&] {
    scorer.run_teacher(teacher.decoder(), comm);
    return teacher.decoder().head_weight(at::kFloat);
  });
}

ModelResult score_model(const FoundEvalModel& found, const EvalOptions& o, at::Device device,
                        TextScorer& scorer, const at::Tensor& teacher_head,
                        const std::optional<ChoiceQuestions>& questions, Communicator& comm) {
  EvalModel model = open_eval_model(found, o.model.strict, device, comm);
  Decoder& decoder = model.decoder();
  const Architecture& a = decoder.architecture();
  const at::Tensor head = decoder.head_weight(at::kFloat);
  ModelResult result{found.name, model.size, {}, {}};
  if (scorer.chunks() > 0) {
    require_fit(scorer.windows(), a.vocab_size, a.max_positions, found.name);
    result.scores = with_bar("Scoring " + found.name, scorer, [&] {
      return teacher_head.defined() ? scorer.score_each(decoder, head, teacher_head, comm)
                                    : scorer.likelihoods(decoder, head, comm);
    });
  }
  if (questions) {
    TextScorer asked(questions->windows);
    require_fit(asked.windows(), a.vocab_size, a.max_positions, found.name);
    const TextScores answers =
        with_bar("Asking " + found.name, asked, [&] { return asked.likelihoods(decoder, head, comm); });
    result.choices = judge_choices(*questions, asked, answers);
  }
  return result;
}

/// Models whose answers nobody would read.
void tell_far(const std::vector<FoundEvalModel>& models, const std::vector<ModelRow>& rows) {
  constexpr double kFar = 3;  // nats: half-trained models of 2 bits are nearer
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].compared || rows[i].kl.mean <= kFar) continue;  // NaN is told too
    if (!models[i].checkpoint) {
      log_warning(
          strf("%s: its KL to the teacher is %.2f: the two are different models, or one of them is broken; "
               "anemll_infer %s --prompt Hello shows what it says",
               rows[i].model.c_str(), rows[i].kl.mean, shell_word(rows[i].model).c_str()));
      continue;
    }
    const std::string look = "anemll_inspect layers " + shell_word(models[i].file);
    log_warning(
        strf("%s: its KL to the teacher is %.2f, so its answers are garbled, if this teacher is its model: "
             "%s shows more",
             rows[i].model.c_str(), rows[i].kl.mean, look.c_str()));
  }
}

/// What took hours is printed where its file cannot be written.
void write_result(const std::string& file, const std::string& text) {
  try {
    write_file(file, text);
  } catch (const Error&) {
    print_result(text);
    throw;
  }
  log_info(file + ": the result");
}

/// What the scores amount to, where it is wanted. Rank 0 alone.
void report_results(EvalOptions& o, const Models& models, const ComparedText& compared,
                    const std::vector<ModelResult>& results) {
  const ComparedText* const on_text = compared.scorer.chunks() > 0 ? &compared : nullptr;
  EvalReport report;
  if (models.teacher) report.teacher = models.teacher->name;
  report.sources = compared.text.sources;
  report.chunks = compared.scorer.chunks();
  report.positions = compared.scorer.positions();
  report.tokens = compared.scorer.tokens();
  if (on_text != nullptr) report.digest = compared.scorer.digest();
  for (const ModelResult& result : results) {
    report.models.push_back(model_row(result, on_text, o.bootstrap));
    if (on_text == nullptr) continue;
    for (PartRow& row : part_rows(result, compared)) report.parts.push_back(std::move(row));
  }
  tell_far(models.all, report.models);
  report.pairs = pair_rows(results, on_text, o.bootstrap);
  if (o.outputs.empty()) print_result(report_text(report, o));
  for (const std::string& file : o.outputs) {
    o.json = file.ends_with(".json");
    o.markdown = file.ends_with(".md");
    write_result(file, report_text(report, o));
  }
}

int score(EvalOptions& o, const OptionTable& table, const MpiRuntime::Host& host, Communicator& comm) {
  o.text.tells = comm.is_root();
  std::optional<ResultFiles> files;
  on_root(comm, [&] { files.emplace(o.outputs, o.overwrite); });
  const at::Device device = prepare_compute(o.model, o.threads, host.rank, host.size);

  const Models models = find_models(o, table, comm);
  for (const FoundEvalModel& found : models.all) check_weights(found.base.opened);  // before any is computed
  const std::optional<TextModel> text = find_text(o, models, comm);
  if (text) require_one_vocabulary(o, models, *text, comm);
  const EvalText sources = read_text_sources(o, text, models.all.front().base.opened, comm);
  std::optional<ChoiceQuestions> questions;
  if (o.choices) questions = read_choices(*o.choices, text->tokenizer, o.questions);
  TextScorer scorer(sources.windows);
  compare_inputs(scorer, questions, models, comm);

  at::Tensor teacher_head;
  if (models.teacher) teacher_head = run_teacher(*models.teacher, o, device, scorer, comm);
  std::vector<ModelResult> results;
  for (const FoundEvalModel& found : models.all)
    results.push_back(score_model(found, o, device, scorer, teacher_head, questions, comm));

  const ComparedText compared{sources, scorer, models.teacher.has_value(), text ? &text->tokenizer : nullptr};
  on_root(comm, [&] { report_results(o, models, compared, results); });
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  EvalOptions o;
  OptionTable table = make_eval_table(o);
  return run_watched(
      argc, argv, table, o.work_timeout,
      [&](bool is_root) {
        check_eval_options(o);
        o.bootstrap.seed = static_cast<std::uint64_t>(o.seed);
        const auto given = [&](const std::string& name) { return table.given(name); };
        if (is_root) tell_unread(unread_options(eval_option_effects(), o, given));
      },
      [&](Communicator& comm, MpiRuntime::Host host) { return score(o, table, host, comm); });
}
