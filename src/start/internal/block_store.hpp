// The finished blocks of a start on disk: one file each, whole or absent, in a folder that belongs to one
// start. Rank 0 reads and writes; the other ranks are sent what was read.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "src/model/decoder.hpp"
#include "src/quant/layer.hpp"

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// One block: the tensors of its linears in module order, and a text that belongs to them.
struct KeptBlock {
  std::vector<LayerTensors> linears;
  std::string note;
};

class BlockStore {
 public:
  /// `folder`: empty for none, then nothing is kept. `identity`: text that says what a block depends on.
  BlockStore(std::filesystem::path folder, const std::string& identity);

  /// The block, sent to all ranks; nothing where it is not there, damaged or of another start, which is told.
  /// `linears`, `quants`: of the block. Collective.
  std::optional<KeptBlock> read(std::size_t block, std::span<const LinearSpec> linears,
                                std::span<const QuantSpec::Entry> quants, Communicator& comm) const;
  /// Rank 0 writes; its failure is every rank's. Collective.
  void write(std::size_t block, std::span<const LinearSpec> linears, const KeptBlock& kept,
             Communicator& comm) const;

 private:
  std::filesystem::path file(std::size_t block) const;
  std::filesystem::path folder_;
  std::string identity_;  // its hash
};

}  // namespace anemll
