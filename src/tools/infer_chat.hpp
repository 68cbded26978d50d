// Questions to a model and its answers, written to stdout as they come; a dialogue with its commands.
#pragma once

#include "anemll/text/chat_template.hpp"
#include "src/infer/generator.hpp"
#include "src/infer/sampling.hpp"
#include "src/tools/infer_model.hpp"
#include "src/tools/infer_options.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace anemll {

class InferChat {
 public:
  /// Both outlive the chat.
  InferChat(InferModel& model, const InferOptions& options, std::uint64_t seed);

  /// Writes the answer, which joins the history, and logs the speed. `stop`: asked between tokens.
  void answer(const std::string& prompt, const std::function<bool()>& stop = {});
  /// Turns until the input ends or the person leaves.
  void dialogue();
  /// --factored: what half could not hold so far.
  void tell_ranges() const;

 private:
  struct Command;
  static const std::vector<Command>& commands();

  std::string rendered() const;
  void tell_divergence(const std::vector<std::int32_t>& ids);
  bool run_command(const std::string& line);
  void turn(const std::string& prompt);
  void help(const std::string& argument);
  void reset(const std::string& argument);
  void set_system(const std::string& text);
  void save(const std::string& file);

  InferModel& model_;
  const InferOptions& options_;
  GenerationOptions generation_;
  Generator generator_;
  Sampler sampler_;
  std::string system_;
  std::vector<ChatMessage> turns_;
};

}  // namespace anemll
