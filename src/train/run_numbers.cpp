#include "src/train/internal/run_numbers.hpp"

#include "anemll/core/error.hpp"

#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using nlohmann::json;

json number(double value) {
  return std::isfinite(value) ? json(value) : json(nullptr);
}

double number_or(const json& object, const char* key, double otherwise) {
  const json& value = object.at(key);
  return value.is_null() ? otherwise : value.get<double>();
}

}  // namespace

std::string RunNumbers::to_json() const {
  json object = {{"step", step},
                 {"optimizer_step", optimizer_step},
                 {"skipped_in_row", skipped_in_row},
                 {"best_loss", number(best_loss)},
                 {"initial_loss", number(initial_loss)},
                 {"last_eval", number(last_eval)},
                 {"initial_text_kl", number(initial_text_kl)},
                 {"text_digest", text_digest},
                 {"window_loss", number(window_loss)},
                 {"window_steps", window_steps},
                 {"elapsed_s", number(elapsed_s)},
                 {"logged_step", logged_step},
                 {"evaluated_step", evaluated_step},
                 {"evaluations", evaluations},
                 {"best_step", best_step},
                 {"finished", finished}};
  if (std::isfinite(best_kl)) object["best_holdout_kl"] = best_kl;
  if (best_before_final)
    object["best_before_final"] = {number(best_before_final->loss), number(best_before_final->kl)};
  if (std::isfinite(text_kl)) object["text_kl"] = text_kl;
  if (tail_due) object["tail_due"] = true;
  if (std::isfinite(first_loss)) object["first_loss"] = first_loss;
  if (evaluations_since_best > 0) object["evaluations_since_best"] = evaluations_since_best;
  if (!sink_positions.empty()) object["sinks"] = sink_positions;
  return object.dump();
}

RunNumbers RunNumbers::from_json(const std::string& text) {
  const json object = json::parse(text);
  const RunNumbers fresh;
  RunNumbers state;
  state.step = object.at("step").get<std::int64_t>();
  state.optimizer_step = object.at("optimizer_step").get<std::int64_t>();
  state.skipped_in_row = object.at("skipped_in_row").get<std::int64_t>();
  state.best_loss = number_or(object, "best_loss", fresh.best_loss);
  state.initial_loss = number_or(object, "initial_loss", fresh.initial_loss);
  state.last_eval = number_or(object, "last_eval", fresh.last_eval);
  if (object.contains("initial_text_kl")) {
    state.initial_text_kl = number_or(object, "initial_text_kl", fresh.initial_text_kl);
    state.text_digest = object.at("text_digest").get<std::string>();
  }
  state.window_loss = number_or(object, "window_loss", fresh.window_loss);
  state.window_steps = object.at("window_steps").get<std::int64_t>();
  state.elapsed_s = number_or(object, "elapsed_s", 0);
  // Earlier versions counted lines: there every row up to the step counts.
  state.logged_step = object.value("logged_step", state.step);
  state.evaluated_step = object.value("evaluated_step", state.step);
  state.evaluations = object.value("evaluations", std::int64_t{2});
  state.best_step = object.value("best_step", std::int64_t{-1});
  state.finished = object.at("finished").get<bool>();
  state.best_kl = object.value("best_holdout_kl", fresh.best_kl);
  if (object.contains("best_before_final")) {
    const json& best = object["best_before_final"];
    const auto or_none = [](const json& value) {
      return value.is_null() ? std::numeric_limits<double>::infinity() : value.get<double>();
    };
    state.best_before_final = Best{or_none(best.at(0)), or_none(best.at(1))};
  }
  state.text_kl = object.value("text_kl", fresh.text_kl);
  state.tail_due = object.value("tail_due", false);
  state.first_loss = object.value("first_loss", fresh.first_loss);
  state.evaluations_since_best = object.value("evaluations_since_best", std::int64_t{0});
  state.sink_positions = object.value("sinks", state.sink_positions);
  return state;
}

std::string trainer_json(const RunNumbers& state, const std::string& identity, const std::string& options,
                         const std::vector<std::string>& hosts) {
  json object = {{"state", json::parse(state.to_json())},
                 {"identity", json::parse(identity)},
                 {"options", json::parse(options)}};
  if (!hosts.empty()) object["ran_on"] = hosts;
  return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

RunNumbers run_numbers_of(const SavedState& state) {
  try {
    return RunNumbers::from_json(json::parse(state.trainer_json).at("state").dump());
  } catch (const json::exception& e) {
    throw_data(std::string("trainer.json is not readable: ") + e.what(), state.folder.string(),
               "start without --resume");
  }
}

}  // namespace anemll
