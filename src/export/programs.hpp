// The programs that read snapped files, by name: which of the readings each of them has, what it cannot take,
// and so whether it gets the trained model out of this file. What is known was measured on the programs
// themselves: README.md of this room.
#pragma once

#include "anemll/model/architecture.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "src/export/consumers.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

/// What a verdict hangs on besides the tensors.
struct ProgramFacts {
  std::string family;       ///< of the model: "qwen3"
  bool mixed_mlp = false;   ///< MLP linears with tables of different sizes
  bool odd_tables = false;  ///< tables of 1 or 3 bits, or of more than 4
  bool reference_layout = false;
};
ProgramFacts program_facts(const Architecture& architecture, const QuantSpec& spec, bool reference_layout);

enum class Reading {
  right,    ///< the trained model, but for rounding
  changed,  ///< the trained model with an error that can be told
  another,  ///< nothing like it, without a message
  refuses,  ///< an error
};

struct ProgramVerdict {
  std::string program;
  Reading reading = Reading::right;
  double weight_error = 0;   ///< of its reading
  std::optional<double> kl;  ///< of its reading, where it was measured
  std::string words;         ///< "reads it right", and why where it does not
};

/// How one reading differs from the trained model.
struct ReadingError {
  double weight_error = 0;
  std::optional<double> kl;
};

/// One for each program. `error` knows every consumer; `right` is the largest error of weights that rounding
/// explains.
std::vector<ProgramVerdict> program_verdicts(const ProgramFacts& facts, double right,
                                             const std::function<ReadingError(Consumer)>& error);

/// Which programs have types for the tables of this model, and which have not, whatever the values are. One
/// line; nothing for a model whose MLP and whose attention have one table of 2 or 4 bits each.
std::string mix_text(const ProgramFacts& facts);

/// What is typed to convert the file. Where the converters compute another model, the way that works.
struct ConverterCommand {
  std::string file;        ///< absolute
  std::string checkpoint;  ///< it was made from
  std::string model;       ///< as config.json records it; a hub name or a path
  bool model_is_local = false;
  std::string family;
  std::int64_t mlp_bits = 2, attn_bits = 4;
};
std::string converter_command(const ConverterCommand& command);

}  // namespace anemll
