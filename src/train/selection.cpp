#include "src/train/internal/selection.hpp"

#include "anemll/core/error.hpp"
#include "src/quant/layer_type.hpp"
#include "src/quant/ste.hpp"

#include <string>
#include <utility>

#include <c10/util/accumulate.h>

namespace anemll {
namespace {

bool freezes_magnitudes(const TrainOptions& o, bool mlp) {
  return o.freeze_mags || (o.freeze_mags_mlp && mlp && !o.attn_only);
}

}  // namespace

bool is_selected(const TrainOptions& o, bool mlp, const TensorRow& row) {
  if (o.train_norms_only || row.role != LayerRole::trained) return false;
  if ((o.mlp_only && !mlp) || (o.attn_only && mlp)) return false;
  switch (row.part) {
    case TensorPart::scales:
      return o.v1 ? o.v1->train_scales : !o.g_only;
    case TensorPart::magnitudes:
      return !freezes_magnitudes(o, mlp);
    case TensorPart::weights:
      return o.v1 && o.v1->train_weights;
    case TensorPart::other:
      return true;
  }
  return false;
}

std::int64_t count_selected(const TrainOptions& o, const Architecture& a, const QuantSpec& spec) {
  if (o.train_norms_only) return (2 * a.layer_count() + 1) * a.hidden_size;
  std::int64_t values = 0;
  for (const LinearSpec& linear : body_linears(a)) {
    const LinearQuant& quant = spec.of(linear.name);
    for (const TensorRow& row : layer_type(quant.type).table(linear, quant)) {
      if (!is_selected(o, linear.mlp, row) || !at::isFloatingType(row.dtype)) continue;
      values += c10::multiply_integers(row.shape);
    }
  }
  return values;
}

std::set<std::string> Selection::names() const {
  std::set<std::string> all;
  for (const FlatParameters::Item& item : parameters->items()) all.insert(item.name);
  for (const Codes& code : codes) all.insert(code.name);
  return all;
}

std::vector<at::Tensor> Selection::copy() const {
  std::vector<at::Tensor> values{parameters->values().clone()};
  for (const Codes& code : codes) values.push_back(code.slot->clone());
  return values;
}

void Selection::put_back(const std::vector<at::Tensor>& values) {
  parameters->values().copy_(values.front());
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i].slot->copy_(values[i + 1]);
}

Selection select_trained(Student& student, const TrainOptions& options) {
  Selection selection;
  std::vector<FlatParameters::Item> items;
  selection.of_layer.resize(student.layers().size());
  for (std::size_t l = 0; l < student.layers().size(); ++l) {
    QuantLayer& layer = *student.layers()[l];
    const bool mlp = student.decoder().slots()[l].spec.mlp;
    for (LayerTensor& tensor : layer.tensor_table()) {
      const bool rounds = tensor.row.part == TensorPart::magnitudes && freezes_magnitudes(options, mlp);
      if (rounds && !options.train_norms_only) *tensor.slot = round_half(*tensor.slot).detach();
      if (!tensor.slot->defined() || !is_selected(options, mlp, tensor.row)) continue;
      std::string name = layer.name() + std::string(tensor.row.suffix);
      if (!tensor.slot->is_floating_point()) {
        selection.codes.push_back({std::move(name), tensor.slot});
        continue;
      }
      selection.of_layer[l].push_back(items.size());
      items.push_back({std::move(name), tensor.slot, 0, 0});
    }
  }
  std::vector<Decoder::NamedTensor> norms;
  if (options.train_norms_only) {
    norms = student.decoder().norms();
    for (auto& norm : norms) {
      norm.tensor = norm.tensor.to(at::kFloat).clone();
      items.push_back({norm.name, &norm.tensor, 0, 0});
    }
  }
  if (items.empty())
    throw_usage("nothing is left to train", "selection flags",
                "drop --g-only, --freeze-mags-mlp or --mlp-only");
  selection.parameters = std::make_unique<FlatParameters>(std::move(items));
  for (const auto& norm : norms) student.decoder().set_norm(norm.name, norm.tensor);
  return selection;
}

}  // namespace anemll
