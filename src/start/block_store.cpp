#include "src/start/internal/block_store.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/safetensors.hpp"
#include "src/core/hash.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/layer_type.hpp"
#include "src/student/share_layer.hpp"

#include <map>
#include <utility>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kIdentity = "start";
constexpr const char* kNote = "note";

std::vector<TensorRow> table_of(const LinearSpec& linear, const QuantSpec::Entry& entry) {
  return layer_type(entry.quant.type).table(linear, entry.quant);
}

}  // namespace

BlockStore::BlockStore(fs::path folder, const std::string& identity)
    : folder_(std::move(folder)), identity_(sha256_hex(identity)) {}

fs::path BlockStore::file(std::size_t block) const {
  return folder_ / strf("block_%04zu.safetensors", block);
}

std::optional<KeptBlock> BlockStore::read(std::size_t block, std::span<const LinearSpec> linears,
                                          std::span<const QuantSpec::Entry> quants,
                                          Communicator& comm) const {
  if (folder_.empty()) return std::nullopt;
  KeptBlock kept;
  kept.linears.resize(linears.size());
  bool found = false;
  on_root(comm, [&] {
    const fs::path path = file(block);
    if (!has_name(path)) return;
    try {
      const SafetensorsFile read = read_safetensors(path);
      const auto said = read.metadata.find(kIdentity);
      if (said == read.metadata.end() || said->second != identity_)
        throw_data("is of another start", path.string(), "");
      const auto find = [&](const std::string& name) { return read.tensors.find(name); };
      for (std::size_t i = 0; i < linears.size(); ++i)
        kept.linears[i] =
            tensors_of_state(table_of(linears[i], quants[i]), linears[i].name, find, path.string());
      if (const auto note = read.metadata.find(kNote); note != read.metadata.end()) kept.note = note->second;
      found = true;
    } catch (const Error& error) {
      log_warning(strf("%s: %s: block %zu is made again", path.c_str(), error.problem().c_str(), block));
    }
  });
  if (!any_rank(comm, found)) return std::nullopt;
  broadcast_string(comm, kept.note, 0);
  for (std::size_t i = 0; i < linears.size(); ++i)
    share_layer(comm, 0, table_of(linears[i], quants[i]), kept.linears[i]);
  return kept;
}

void BlockStore::write(std::size_t block, std::span<const LinearSpec> linears, const KeptBlock& kept,
                       Communicator& comm) const {
  if (folder_.empty()) return;
  on_root(comm, [&] {
    std::vector<LazyTensor> tensors;
    for (std::size_t i = 0; i < linears.size(); ++i) {
      for (const auto& [suffix, tensor] : kept.linears[i]) {
        if (tensor.defined() && suffix != ".bias")
          tensors.push_back(lazy(linears[i].name + suffix, as_host(tensor)));
      }
    }
    write_safetensors(file(block), tensors, {{kIdentity, identity_}, {kNote, kept.note}});
  });
}

}  // namespace anemll
