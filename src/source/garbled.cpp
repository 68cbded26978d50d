#include "src/source/garbled.hpp"

#include "anemll/core/log.hpp"
#include "src/model/torch_bridge.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

namespace anemll {
namespace {

// Distances and cosines are to the model's own weight. A weight of 2 bits has 0.4 and 0.9, wrong scales of
// the right signs are farther than 1, and another weight has a cosine of 0.
constexpr double kFar = 0.9;
// How much nearer another reading must be before it is called the right one.
constexpr double kClearly = 0.67;
constexpr double kUnrelated = 0.3;
// The reference's norm floor.
constexpr double kNormFloor = 1e-6;

/// How scales are read.
struct Rules {
  bool positive = false, baked = false;
};

/// How a reading relates to the model's own weight.
struct Nearness {
  double distance = 0;  ///< ||W - W0|| / ||W0||
  double cosine = 0;

  void add(const Nearness& more) {
    distance += more.distance;
    cosine += more.cosine;
  }
};

Nearness nearness(const at::Tensor& weight, const at::Tensor& own) {
  const double size = own.norm().item<double>();
  const double both = size * weight.norm().item<double>();
  Nearness found;
  if (size > 0) found.distance = weight.sub(own).norm().item<double>() / size;
  if (both > 0) found.cosine = weight.mul(own).sum().item<double>() / both;
  return found;
}

/// What the file holds of a V2 layer, and its model's weight.
struct Layer {
  at::Tensor q, a, g, b, weight;

  at::Tensor scales(const Rules& rules) const {
    at::Tensor left = a, right = b;
    if (rules.positive && !rules.baked) {
      left = left.abs();
      right = right.abs();
    }
    if (!rules.baked) {
      left = left.div(left.norm(2, {0}, true).clamp_min(kNormFloor));
      right = right.div(right.norm(2, {1}, true).clamp_min(kNormFloor));
    }
    return left.mul(g).mm(right);
  }
  Nearness read_by(const Rules& rules) const { return nearness(q.mul(scales(rules)), weight); }
};

at::Tensor floats(const HostTensor& tensor) {
  return as_torch(tensor).to(at::kFloat);
}

const HostTensor* of(const TensorMap& map, const std::string& layer, const char* suffix) {
  return map.find(layer + suffix);
}

bool is_v2(const V2Checkpoint& checkpoint, const QuantSpec::Entry& entry) {
  return entry.quant.type == "v2" && of(checkpoint.tensors, entry.linear, ".scale_A") != nullptr;
}

/// The first, a middle and the last V2 layer.
std::vector<std::size_t> sample(const V2Checkpoint& checkpoint, const QuantSpec& spec) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < spec.entries().size(); ++i) {
    if (is_v2(checkpoint, spec.entries()[i])) all.push_back(i);
  }
  if (all.size() <= 3) return all;
  return {all.front(), all[all.size() / 2], all.back()};
}

Layer layer_of(const V2Checkpoint& checkpoint, const QuantLayer& layer, const HostTensor& weight,
               const Rules& rules) {
  const auto read = [&](const char* suffix) { return floats(*of(checkpoint.tensors, layer.name(), suffix)); };
  Layer found{{}, read(".scale_A"), read(".rank_magnitude"), read(".scale_B"), floats(weight)};
  // The table values that the layer uses, whichever key they came from.
  const at::Tensor effective = layer.effective_weight(at::kFloat).cpu();
  const HostTensor* q = of(checkpoint.tensors, layer.name(), "._Q");
  found.q = q != nullptr ? floats(*q) : effective.div(found.scales(rules));
  return found;
}

std::string in_config(const V2Checkpoint& checkpoint, bool now) {
  const std::string from = now ? "true" : "false", to = now ? "false" : "true";
  if (checkpoint.config.empty())
    return "echo '{\"force_positive_scales\": " + to + "}' > config.json, in the folder of the checkpoint";
  return "sed -i 's/\"force_positive_scales\": *" + from + "/\"force_positive_scales\": " + to + "/' " +
         checkpoint.config.string();
}

/// Means over the sampled layers, under all readings.
struct Readings {
  Nearness now, other_sign, other_bake, both;
  double negative = 0;  ///< share of scales, the largest of the layers
  std::size_t layers = 0;
};

Readings measure(const V2Checkpoint& checkpoint, const Student& student, const TensorMap& weights) {
  Readings sum;
  const bool positive = student.spec().force_positive_scales();
  for (const std::size_t i : sample(checkpoint, student.spec())) {
    const std::string& name = student.spec().entries()[i].linear;
    const HostTensor* weight = of(weights, name, ".weight");
    if (weight == nullptr) continue;
    const HostTensor* flag = of(checkpoint.tensors, name, "._scales_baked_flag");
    const bool baked = flag != nullptr && floats(*flag).item<float>() != 0;
    const Rules now{positive, baked};
    const Layer layer = layer_of(checkpoint, *student.layers()[i], *weight, now);
    sum.now.add(layer.read_by(now));
    sum.other_sign.add(layer.read_by({!positive, baked}));
    sum.other_bake.add(layer.read_by({positive, !baked}));
    sum.both.add(layer.read_by({!positive, !baked}));
    const at::Tensor scales = layer.scales(now);
    const auto below = static_cast<double>(scales.lt(0).sum().item<std::int64_t>());
    sum.negative = std::max(sum.negative, below / static_cast<double>(scales.numel()));
    ++sum.layers;
  }
  const auto count = static_cast<double>(std::max<std::size_t>(sum.layers, 1));
  for (Nearness* mean : {&sum.now, &sum.other_sign, &sum.other_bake, &sum.both}) {
    mean->distance /= count;
    mean->cosine /= count;
  }
  return sum;
}

void add_missing(const V2Checkpoint& checkpoint, const Student& student, std::vector<GarbledCause>& causes) {
  std::size_t missing = 0;
  std::string first;
  for (const QuantSpec::Entry& entry : student.spec().entries()) {
    if (!is_v2(checkpoint, entry) || of(checkpoint.tensors, entry.linear, "._Q") != nullptr ||
        of(checkpoint.tensors, entry.linear, "._indices") != nullptr)
      continue;
    if (missing++ == 0) first = entry.linear;
  }
  if (missing == 0) return;
  causes.push_back(
      {GarbledBy::no_indices,
       strf("%zu linears have neither _Q nor _indices (%s): their entries were chosen anew from .weight, and "
            "trained scales do not fit these",
            missing, first.c_str()),
       "give the file that training wrote: best_state_dict.pt of the run's folder"});
}

}  // namespace

std::vector<GarbledCause> garbled_causes(const V2Checkpoint& checkpoint, const Student& student,
                                         const TensorMap& weights) {
  const at::NoGradGuard no_grad;
  std::vector<GarbledCause> causes;
  add_missing(checkpoint, student, causes);
  const Readings found = measure(checkpoint, student, weights);
  if (found.layers == 0) return causes;
  const bool positive = student.spec().force_positive_scales();
  const double now = found.now.distance;
  const double signs = found.other_sign.distance;
  const double bakes = std::min(found.other_bake.distance, found.both.distance);
  const auto right = [now](double distance) { return distance < kFar && distance < kClearly * now; };
  const auto away = [now](double distance) {
    return strf("the weights are off the model's own by %.2f, and by %.2f ", now, distance);
  };
  // Training moves norms by little, so a reading without normalisation may be near as well: signs come first.
  if (right(signs)) {
    causes.push_back(
        {GarbledBy::positive_scales,
         away(signs) + (positive ? "with the signs of the scales: force_positive_scales is true in "
                                   "config.json, but the model was trained without it"
                                 : "with absolute values: the model was trained with "
                                   "force_positive_scales, and config.json does not say so"),
         in_config(checkpoint, positive)});
  } else if (right(bakes)) {
    causes.push_back({GarbledBy::baked_flag,
                      away(bakes) +
                          "where the scales are read the other way: _scales_baked_flag is not what the "
                          "scales are",
                      "anemll_snap --checkpoint CKPT --output DIR --fp16, of the file that training wrote"});
  } else if (found.now.cosine < kUnrelated && found.negative > 0.5) {
    causes.push_back(
        {GarbledBy::negative_scales,
         strf("%.0f%% of a linear's scales are negative (the cosine with the model's own weights is "
              "%.2f): the signs of scales or magnitudes were changed",
              100 * found.negative, found.now.cosine),
         "give the file that training wrote; anemll_inspect layers FILE shows each linear's share"});
  } else if (found.now.cosine < kUnrelated && causes.empty()) {
    causes.push_back({GarbledBy::other_model,
                      strf("the weights are not near the model's (cosine %.2f): the checkpoint is of another "
                           "model, or its scales are damaged",
                           found.now.cosine),
                      "give --model-id of the model that was trained; anemll_inspect check FILE looks at the "
                      "tensors"});
  }
  return causes;
}

void tell_garbled(const V2Checkpoint& checkpoint, const Student& student, const TensorMap& weights) {
  for (const GarbledCause& cause : garbled_causes(checkpoint, student, weights))
    log_warning("answers will be garbled: " + cause.what + "; to mend it: " + cause.hint);
}

}  // namespace anemll
