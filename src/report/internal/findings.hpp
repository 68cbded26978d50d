// What lies in the folders that a report is about, found by content: trainings, scores, starts, snapped
// files, answers, the stages of a recipe. Nothing is locked or changed.
#pragma once

#include "src/report/internal/json_look.hpp"
#include "src/runs/run_record.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

struct FoundTraining {
  RunRecord record;
  std::filesystem::path folder;         ///< of its log
  ReportJson first_evaluation = {};     ///< rows of metrics.jsonl as they are; null without one
  ReportJson best_evaluation = {};      ///< the one whose weights were kept
  ReportJson layers = {};               ///< the newest look at its layers
  ReportJson options = {};              ///< of its newest state
  std::vector<std::string> hosts = {};  ///< of its ranks
};

struct FoundJson {
  std::string name;  ///< of the folder that it lies in, or of the file
  std::filesystem::path file;
  ReportJson content;
};

struct FoundAnswer {
  std::int64_t step = 0;  ///< of the training that gave it; 0 for answers of a file of prompts
  std::string prompt, answer;
};
struct FoundAnswers {
  std::string name;
  bool by_step = false;  ///< samples of a training
  std::vector<FoundAnswer> answers;
};

struct FoundStage {
  std::string name, says, command;
  std::int64_t seconds = 0, starts = 0;
  std::uint64_t bytes = 0;
};
struct FoundRecipe {
  std::filesystem::path folder;
  std::map<std::string, std::string> facts;  ///< stages/recipe: name, command, model, input and more
  std::vector<FoundStage> stages;

  std::string fact(const std::string& name) const;
};

struct Findings {
  std::vector<std::filesystem::path> runs;  ///< as they were named
  std::vector<FoundTraining> trainings;
  std::vector<FoundJson> scores, starts, snaps;
  std::vector<FoundAnswers> answers;
  std::optional<FoundRecipe> recipe;

  bool empty() const {
    return trainings.empty() && scores.empty() && starts.empty() && snaps.empty() && answers.empty() &&
           !recipe;
  }
};

/// Data errors for what is not there, and for a folder or file in which nothing of this is found.
Findings find_reported(std::span<const std::filesystem::path> runs);

}  // namespace anemll
