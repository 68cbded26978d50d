#include "src/inspect/output_errors.hpp"

#include "src/model/decoder.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/model/wide_compute.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/linear.h>

namespace anemll {
namespace {

constexpr std::int64_t kRowsPerPass = 8;

/// A linear of the unquantised model that shows each of its inputs to the student's.
class Probe final : public Linear {
 public:
  /// `rows`: places that count in the present pass. All references must outlive it.
  Probe(at::Tensor weight, at::Tensor bias, at::Device device, Linear& student, ErrorSums& sums,
        const at::Tensor& rows)
      : weight_(std::move(weight)),
        bias_(std::move(bias)),
        device_(device),
        student_(student),
        sums_(sums),
        rows_(rows) {}

  at::Tensor forward(const at::Tensor& x) override {
    std::optional<at::Tensor> bias;
    if (bias_.defined()) bias = bias_.to(device_, x.scalar_type());
    const at::Tensor wanted = at::linear(x, weight_.to(device_, x.scalar_type()), bias);
    sums_.add(student_.forward(x), wanted, rows_);
    return wanted;
  }

 private:
  at::Tensor weight_, bias_;  // views of the files
  at::Device device_;
  Linear& student_;
  ErrorSums& sums_;
  const at::Tensor& rows_;
};

at::Tensor sum_of(const Stream& stream) {
  return stream.delta.defined() ? stream.hidden.add(stream.delta) : stream.hidden;
}

using B = BlockStatistics;
constexpr auto kColumns = std::to_array<Column<B>>({
    {"blocks", "block", "", "layer of the decoder", Shown::number,
     [](const B& b) { return Figure(b.block); }},
    {"blocks", "block_error", "",
     "||d - d'|| / ||d||, d what the block adds to the stream, on the same stream", Shown::number,
     [](const B& b) { return Figure(b.own.relative()); }},
    {"blocks", "block_mae", "", "mean of |d - d'|", Shown::number,
     [](const B& b) { return Figure(b.own.mean_absolute()); }},
    {"blocks", "block_rmse", "", "root of the mean of (d - d')^2", Shown::number,
     [](const B& b) { return Figure(b.own.root_mean_square()); }},
    {"blocks", "stream_error", "", "||s - s'|| / ||s||, s the stream behind it, s' that of the student alone",
     Shown::number, [](const B& b) { return Figure(b.stream.relative()); }},
});

}  // namespace

std::span<const Column<BlockStatistics>> block_columns() {
  return kColumns;
}

OutputErrors output_errors(const ModelFiles& model, Student& student, const TokenRows& rows,
                           at::Device device) {
  const at::NoGradGuard no_grad;
  const WideCompute wide(student.decoder());
  Decoder teacher(model, device, false);
  OutputErrors errors;
  errors.linears.resize(student.layers().size());
  errors.blocks.resize(static_cast<std::size_t>(model.architecture.layer_count()));
  at::Tensor counting;  // of the present pass, which the probes look at
  for (std::size_t i = 0; i < errors.linears.size(); ++i) {
    Decoder::Slot& slot = teacher.slots()[i];
    const auto view = [&](const char* part) { return as_torch(*model.tensors.find(slot.spec.name + part)); };
    slot.linear = std::make_unique<Probe>(view(".weight"), slot.spec.bias ? view(".bias") : at::Tensor(),
                                          device, *student.layers()[i], errors.linears[i], counting);
  }
  for (std::int64_t first = 0; first < rows.rows(); first += kRowsPerPass) {
    const std::int64_t count = std::min(kRowsPerPass, rows.rows() - first);
    const at::Tensor ids = rows.ids.narrow(0, first, count).to(device);  // [B, L]
    at::Tensor mask;
    if (rows.mask.defined()) mask = rows.mask.narrow(0, first, count).to(device);
    counting = mask.defined() ? mask.flatten().nonzero().squeeze(1) : at::Tensor();
    const AttentionState state = teacher.begin(ids.size(1), mask);
    const AttentionState own_state = student.decoder().begin(ids.size(1), mask);
    Stream truth = teacher.embed(ids);
    Stream alone = student.decoder().embed(ids);
    for (std::size_t b = 0; b < errors.blocks.size(); ++b) {
      const at::Tensor before = sum_of(truth);
      const Stream shown = student.decoder().block(b, truth, own_state);
      alone = student.decoder().block(b, alone, own_state);
      truth = teacher.block(b, truth, state);
      const at::Tensor behind = sum_of(truth);
      BlockStatistics& block = errors.blocks[b];
      block.block = static_cast<std::int64_t>(b);
      block.own.add(sum_of(shown).sub(before), behind.sub(before), counting);
      block.stream.add(sum_of(alone), behind, counting);
    }
  }
  return errors;
}

}  // namespace anemll
