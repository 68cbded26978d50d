// What a model's weights take: as the format of this project packs them, and as their file holds them.
#pragma once

#include "anemll/model/model_files.hpp"
#include "src/student/student.hpp"

#include <cstdint>
#include <filesystem>

namespace anemll {

struct ModelSize {
  std::int64_t body_weights = 0;  ///< of the linears in the layers
  double body_bits = 0;           ///< what these take
  double other_bits = 0;          ///< embedding, norms, biases, and a head that is not the embedding
  std::uint64_t file_bytes = 0;   ///< of the files that hold the weights

  double bits_per_weight() const { return body_bits / static_cast<double>(body_weights); }
  double packed_bytes() const { return (body_bits + other_bits) / 8; }
};

/// A quantised model as the packed file holds it: an index of the table's bits for each weight, table entries
/// of 16 bits, scales of 8 bits where they lie on a grid, else 16; linears without a table and all other
/// tensors 16 bits a value. `file`: the checkpoint.
ModelSize size_of_student(const Student& student, const std::filesystem::path& file);
/// What all but the linears' weights take of a quantised model, at 16 bits a value.
double other_bits(const Architecture& architecture);
/// Plain weights: every tensor as it is stored, in blocks where a GGUF file has some.
ModelSize size_of_plain(const OpenModel& opened, const ModelFiles& files);

}  // namespace anemll
