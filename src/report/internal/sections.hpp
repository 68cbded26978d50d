// The sections of a report, each made of what was found. A section without matter is left out by its writer:
// nothing.
#pragma once

#include "src/report/internal/document.hpp"
#include "src/report/internal/findings.hpp"

#include <optional>
#include <string>
#include <vector>

namespace anemll {

/// Losses, divergence on held-out text, by source, learning rate, speed.
std::optional<Section> curves_section(const Findings& found);
/// First and best evaluation of each training.
std::optional<Section> losses_section(const Findings& found);

/// KL against bits per weight, with what llama.cpp's files reach where that is comparable.
std::optional<Section> scores_section(const Findings& found);
/// How the KL of single positions is spread.
std::optional<Section> spread_section(const Findings& found);

/// Errors of the start, block by block.
std::optional<Section> start_section(const Findings& found);
/// Errors of each training's layers at its last look at them.
std::optional<Section> layers_section(const Findings& found);
/// The snapped file as each converter reads it.
std::optional<Section> snap_section(const Findings& found);

/// Answers of teacher and student side by side, and those of a training at its evaluations.
std::optional<Section> answers_section(const Findings& found);

/// Stages, commands, and who computed with what.
std::optional<Section> stages_section(const Findings& found);
std::optional<Section> commands_section(const Findings& found);
/// A line for a shell that makes the training again; empty where its log does not say that.
std::string command_of(const FoundTraining& training);
Section machine_section(const Findings& found);
/// What a report could tell of and was not there.
std::optional<Section> missing_section(const Findings& found);

/// A name for each model that people tell apart: in a recipe start, trained, snapped; else the paths without
/// what they have in common.
std::vector<std::string> model_names(const Findings& found, const std::vector<std::string>& paths);

/// A divergence or loss: four decimals, or three digits of a small one.
std::string nats(double value);
/// "1.234" with so many decimals, a dash for what is not known.
std::string decimals(double value, int digits);

}  // namespace anemll
