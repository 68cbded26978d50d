// Rows are sorted by length and cut into groups; in each round every rank answers one group, and rank 0
// writes what all of them have.
#include "src/tools/infer_batch.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/hash.hpp"
#include "src/core/rng.hpp"
#include "src/core/signals.hpp"
#include "src/infer/batch.hpp"
#include "src/infer/batch_file.hpp"
#include "src/source/model_agreement.hpp"
#include "src/tools/infer_model.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace anemll {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kRowStream = 0x726f77;
constexpr double kSecondsBetweenLines = 10;
constexpr const char* kFormatKey = "weight-format";
constexpr const char* kSeedKey = "seed";

const char* word_of(Ending ending) {
  switch (ending) {
    case Ending::stop:
      return "stop";
    case Ending::length:
      return "length";
    case Ending::context:
      return "context";
    case Ending::asked:
      break;
  }
  return "asked";
}

std::string number(double value) {
  return strf("%.17g", value);
}

/// Rank 0's record of an earlier start, on all ranks: what that start chose by itself stays chosen.
void take_recorded(InferOptions& o, Communicator& comm) {
  std::string format;
  std::string seed;
  on_root(comm, [&] {
    const std::optional<AnswerSettings> before = recorded_settings(*o.out);
    const auto value = [&](const char* key) {
      const auto found = before ? before->find(key) : AnswerSettings::const_iterator();
      return before && found != before->end() ? found->second : std::string();
    };
    format = value(kFormatKey);
    seed = o.seed ? std::to_string(*o.seed) : value(kSeedKey);
    if (seed.empty()) seed = std::to_string(std::random_device()() % 1'000'000'000);
  });
  broadcast_string(comm, format, 0);
  broadcast_string(comm, seed, 0);
  if (seed.find_first_not_of("0123456789") != std::string::npos || seed.size() > 19)
    throw_data("the recorded seed is no number", *o.out + ".settings.json",
               "name another file for the answers");
  o.seed = static_cast<std::int64_t>(std::stoull(seed));
  if (o.weight_format != WeightFormat::automatic) return;
  o.weight_format = choice_named<WeightFormat>(format).value_or(WeightFormat::automatic);
}

WeightFormat format_of(const InferModel& model) {
  return model.compact ? model.compact->facts().format : WeightFormat::automatic;
}

/// Rank 0 measures where there is something to choose; the others take what it took.
InferModel open_alike(InferOptions& o, const OptionTable& table, Communicator& comm, MpiRuntime::Host host) {
  std::optional<InferModel> model;
  on_root(comm, [&] { model.emplace(open_infer_model(o, table, host.rank, host.size)); });
  std::array<std::int64_t, 1> taken{model ? static_cast<std::int64_t>(format_of(*model)) : 0};
  comm.all_reduce(taken, ReduceOp::sum);
  const auto format = static_cast<WeightFormat>(taken[0]);
  if (!model) {
    if (format != WeightFormat::automatic) o.weight_format = format;
    model.emplace(open_infer_model(o, table, host.rank, host.size));
  }
  return std::move(*model);
}

AnswerSettings settings_of(const InferOptions& o, const InferModel& model, const SamplingOptions& sampling,
                           const GenerationOptions& generation, const std::string& prompts) {
  std::string stops;
  for (const std::int32_t id : generation.stops) stops += strf(stops.empty() ? "%d" : " %d", id);
  return {{"model", model.fingerprint},
          {"prompts", sha256_hex(prompts)},
          {"chat template", model.chat ? model.chat->label() : "none"},
          {"thinking", o.no_thinking ? "off" : "on"},
          {"system", o.system.value_or("")},
          {"ends", stops},
          {"max-tokens", std::to_string(generation.max_tokens)},
          {"temperature", number(sampling.temperature)},
          {"repetition-penalty", number(sampling.repetition_penalty)},
          {"top-k", std::to_string(sampling.top_k)},
          {"top-p", number(sampling.top_p)},
          {kSeedKey, std::to_string(*o.seed)},
          {"precision", choice_name(o.precision)},
          {kFormatKey, model.compact ? choice_name(format_of(model)) : "none"},
          {"factored", o.factored ? "yes" : "no"}};
}

std::vector<std::int32_t> tokens_of(PromptRecord& prompt, const InferOptions& o, const InferModel& model,
                                    const std::string& where) {
  if (!model.chat) {
    if (prompt.messages.size() > 1)
      throw_data("has several turns, and there is no chat template", where,
                 "write one \"prompt\", or choose a template: --chat-template");
    return model.text.tokenizer.encode(prompt.messages.front().content);
  }
  if (o.system && prompt.messages.front().role != "system")
    prompt.messages.insert(prompt.messages.begin(), {"system", *o.system});
  for (const ChatMessage& message : prompt.messages) {
    if (!model.chat->knows_role(message.role))
      throw_data("the chat template has no role '" + message.role + "'", where,
                 "use system, user and assistant");
  }
  if (const std::string why = model.chat->refusal(prompt.messages); !why.empty())
    throw_data("the chat template " + model.chat->name() + " refuses it: " + why, where,
               "change the messages, or choose other rules with --chat-template");
  return model.text.tokenizer.encode(model.chat->render(prompt.messages, !o.no_thinking, true));
}

/// The prompts, and their tokens. What is wrong with one is known before the first answer.
struct Work {
  std::vector<PromptRecord> prompts;
  std::vector<BatchPrompt> rows;
};
Work read_work(const InferOptions& o, InferModel& model, const std::string& prompts) {
  Work work{read_prompts(*o.batch, prompts), {}};
  const CounterRng seeds(static_cast<std::uint64_t>(*o.seed), kRowStream);
  for (PromptRecord& prompt : work.prompts) {
    const std::string where = *o.batch + ", line " + std::to_string(prompt.line);
    BatchPrompt row{tokens_of(prompt, o, model, where), seeds.bits(work.rows.size())};
    check_prompt(row.ids, model.decoder().architecture(), where);
    work.rows.push_back(std::move(row));
  }
  return work;
}

/// The file as rank 0 has it.
std::string file_of_root(const std::string& file, Communicator& comm) {
  std::string bytes;
  on_root(comm, [&] { bytes = read_text(file); });
  broadcast_string(comm, bytes, 0);
  return bytes;
}

/// The record beside the answers is true of every rank's.
void require_alike(const AnswerSettings& settings, Communicator& comm) {
  Agreement inputs = agreement_on_files();
  for (const auto& [name, value] : settings) inputs.add(name, value);
  inputs.check(comm);
}

using Group = std::vector<std::size_t>;  // rows

/// What is not done yet, alike on all ranks.
std::vector<Group> groups_of(const Work& work, const std::vector<std::int64_t>& done, std::int64_t size) {
  std::vector<std::size_t> left;
  std::vector<std::size_t> lengths;
  for (std::size_t row = 0; row < work.rows.size(); ++row) {
    if (done[row] != 0) continue;
    left.push_back(row);
    lengths.push_back(work.rows[row].ids.size());
  }
  std::vector<Group> groups = equal_lengths(lengths, static_cast<std::size_t>(size));
  for (Group& group : groups) {
    for (std::size_t& place : group) place = left[place];
  }
  return groups;
}

/// What half could not hold on any rank, on all of them.
void sum_ranges(const FactoredModel& model, Communicator& comm) {
  for (const auto& range : model.ranges()) {
    std::array<std::int64_t, 3> counts{range->values, range->beyond, range->infinite_sums};
    comm.all_reduce(counts, ReduceOp::sum);
    range->values = counts[0];
    range->beyond = counts[1];
    range->infinite_sums = counts[2];
  }
}

}  // namespace

void infer_batch(InferOptions o, const OptionTable& table, Communicator& comm, MpiRuntime::Host host) {
  take_recorded(o, comm);
  const std::string bytes = file_of_root(*o.batch, comm);
  InferModel model = open_alike(o, table, comm, host);
  const Work work = read_work(o, model, bytes);
  const GenerationOptions generation{o.max_tokens, model.generation.stops};
  const SamplingOptions sampling = sampling_of(o, model.generation);
  const AnswerSettings settings = settings_of(o, model, sampling, generation, bytes);
  require_alike(settings, comm);

  std::optional<AnswerFile> file;
  std::vector<std::int64_t> done(work.rows.size(), 0);
  on_root(comm, [&] {
    file.emplace(*o.out, settings, work.rows.size());
    for (const std::size_t row : file->done()) done[row] = 1;
  });
  comm.all_reduce(done, ReduceOp::max);
  const std::vector<Group> groups = groups_of(work, done, o.batch_size);
  std::size_t left = 0;
  for (const Group& group : groups) left += group.size();
  log_info(strf("%zu prompts, %zu answered before; %zu groups of equal length", work.rows.size(),
                work.rows.size() - left, groups.size()));
  if (!o.chooses_greedily())
    log_info(strf("--seed %lld draws the same answers again", static_cast<long long>(*o.seed)));

  const StopPlan plan("what is answered is written; the rest is left");
  const std::string again = strf("the same command goes on behind what is in %s", o.out->c_str());
  const Clock::time_point start = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  double told = 0;
  std::array<std::int64_t, 2> written{0, 0};  // answers and tokens of this rank
  const auto ranks = static_cast<std::size_t>(comm.size());
  for (std::size_t first = 0; first < groups.size(); first += ranks) {
    std::string lines;
    const std::size_t mine = first + static_cast<std::size_t>(comm.rank());
    if (mine < groups.size()) {
      std::vector<BatchPrompt> prompts;
      for (const std::size_t row : groups[mine]) prompts.push_back(work.rows[row]);
      const auto answers = answer_together(model.decoder(), prompts, generation, sampling,
                                           [] { return pending_signal() != 0; });
      for (std::size_t i = 0; answers && i < answers->size(); ++i) {
        const BatchAnswer& answer = (*answers)[i];
        const std::size_t row = groups[mine][i];
        const std::string text = model.text.tokenizer.decode(answer.ids, /*skip_special_tokens=*/true);
        lines += answer_line(work.prompts[row], {row, text, answer.ids.size(), word_of(answer.ending)},
                             model.chat.has_value());
        ++written[0];
        written[1] += static_cast<std::int64_t>(answer.ids.size());
      }
    }
    const std::vector<std::string> all = gather_strings(comm, lines);
    on_root(comm, [&] {
      std::string together;
      for (const std::string& part : all) together += part;
      if (!together.empty()) file->add(together);
    });
    leave_together(comm, "answering", again);
    if (seconds() - told > kSecondsBetweenLines) {
      told = seconds();
      log_info(strf("%zu of %zu groups", std::min(first + ranks, groups.size()), groups.size()));
    }
  }
  on_root(comm, [&] { file->finish(); });
  if (model.factored) {
    sum_ranges(*model.factored, comm);
    if (comm.is_root()) tell_ranges(*model.factored);
  }
  comm.all_reduce(written, ReduceOp::sum);
  log_info(strf("%s: %zu answers, %lld of them now, %.1f tokens/s", o.out->c_str(), work.rows.size(),
                static_cast<long long>(written[0]),
                seconds() > 0 ? static_cast<double>(written[1]) / seconds() : 0));
}

}  // namespace anemll
