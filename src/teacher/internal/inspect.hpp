// What a run would make of its inputs, told before the teacher runs: files and why, roles and keys, text, the
// size of the cache, samples. Rank 0 only; writes nothing.
#pragma once

#include "src/teacher/internal/prepare.hpp"

#include <cstddef>
#include <string>

namespace anemll {

/// The report as text. `samples` documents are shown as they are packed.
std::string inspection(const PrecomputeOptions& options, const TeacherInputs& teacher,
                       const PackedDataset& read);

/// A text's tokens between bars, special ones in double brackets: "[[<|im_start|>]]user|\n|". At most `most`.
std::string marked_tokens(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids, std::size_t most);

}  // namespace anemll
