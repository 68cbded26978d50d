// A kind of layer that only this file knows: a trained float matrix beside integer codes that change while it
// trains. It is recognised in a checkpoint, trained, saved and resumed by the code for all layers.
#include "anemll/formats/torch_file.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/layer_type.hpp"
#include "src/student/student.hpp"
#include "src/train/internal/selection.hpp"
#include "tests/unit/train/payload_cache.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <boost/test/unit_test.hpp>
#include <torch/csrc/autograd/custom_function.h>

using namespace anemll;

namespace {

constexpr double kCodeStep = 1e-3;  // W = delta + kCodeStep * codes

struct Shared {
  at::Tensor delta;  // [out, in] fp32, trained
  at::Tensor codes;  // [out, in] uint8 0..3, moved against the gradient's sign once a step
  at::Tensor anchor = at::empty({0}).set_requires_grad(true);
  bool last = true;
  std::function<void()> ready;

  at::Tensor weight() const { return delta.detach() + kCodeStep * codes.to(at::kFloat); }
};

struct Holder : torch::CustomClassHolder {
  explicit Holder(std::shared_ptr<Shared> s) : shared(std::move(s)) {}
  std::shared_ptr<Shared> shared;
};

struct Product : torch::autograd::Function<Product> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& /*anchor*/, const std::shared_ptr<Shared>& shared) {
    context->saved_data["shared"] = c10::IValue::make_capsule(c10::make_intrusive<Holder>(shared));
    context->save_for_backward({x});
    return at::matmul(x, shared->weight().t());
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto holder = context->saved_data["shared"].toCapsule();
    Shared& shared = *static_cast<Holder*>(holder.get())->shared;
    const at::Tensor& dy = gradients[0];
    const at::Tensor x = context->get_saved_variables()[0];
    const at::Tensor dx = at::matmul(dy, shared.weight());
    shared.delta.mutable_grad().add_(at::matmul(dy.flatten(0, -2).t(), x.flatten(0, -2)));
    if (shared.last) {
      const at::Tensor sign = at::sign(shared.delta.grad()).to(at::kInt);
      shared.codes.copy_((shared.codes.to(at::kInt) - sign).clamp(0, 3));
      if (shared.ready) shared.ready();
    }
    return {dx, {}, {}};
  }
};

std::vector<TensorRow> coded_table(std::int64_t out, std::int64_t in) {
  return {{".delta", at::kFloat, {out, in}, LayerRole::trained},
          {".codes", at::kByte, {out, in}, LayerRole::trained}};
}

class CodedLinear final : public QuantLayer {
 public:
  CodedLinear(std::string name, LayerTensors tensors) : name_(std::move(name)) {
    shared_->delta = tensors.at(".delta");
    shared_->codes = tensors.at(".codes");
  }

  at::Tensor forward(const at::Tensor& x) override { return Product::apply(x, shared_->anchor, shared_); }
  const std::string& name() const override { return name_; }
  LinearQuant quant() const override {
    LinearQuant quant;
    quant.type = "coded";
    return quant;
  }
  std::int64_t out() const override { return shared_->codes.size(0); }
  std::int64_t in() const override { return shared_->codes.size(1); }
  std::vector<LayerTensor> tensor_table() override {
    std::vector<TensorRow> rows = coded_table(out(), in());
    return {{rows[0], &shared_->delta}, {rows[1], &shared_->codes}};
  }
  void set_numerics(const LayerNumerics&) override {}
  void begin_step() override {}
  void begin_micro_step(bool last) override { shared_->last = last; }
  void on_gradients_ready(std::function<void()> callback) override { shared_->ready = std::move(callback); }
  void set_transient(bool) override {}
  at::Tensor effective_weight(at::ScalarType dtype) const override { return shared_->weight().to(dtype); }
  std::vector<LazyTensor> checkpoint_entries(const HostTensor& /*weight*/, bool /*indices*/) const override {
    const auto entry = [this](const char* suffix, const at::Tensor& tensor) {
      return lazy(name_ + suffix, as_host(tensor.detach().clone()));
    };
    return {entry(".delta", shared_->delta), entry(".codes", shared_->codes)};
  }
  std::unique_ptr<QuantLayer> baked(bool) const override {
    return std::make_unique<CodedLinear>(
        name_, LayerTensors{{".delta", shared_->delta}, {".codes", shared_->codes}});
  }

 private:
  std::string name_;
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

LayerType coded_type() {
  LayerType type;
  type.name = "coded";
  type.recognise = [](const TensorFinder& find, const std::string& layer,
                      const std::string&) -> std::optional<LinearQuant> {
    if (find(layer + ".delta") == nullptr) return std::nullopt;
    LinearQuant quant;
    quant.type = "coded";
    return quant;
  };
  type.table = [](const LinearSpec& linear, const LinearQuant&) {
    return coded_table(linear.out, linear.in);
  };
  type.start = [](const at::Tensor& weight, const LinearQuant&, const InitOptions&) {
    const at::Tensor codes = at::ones(weight.sizes(), at::kByte);
    return LayerDraft{{{".delta", weight.to(at::kFloat) * 0.9 - kCodeStep}, {".codes", codes}}, false, {}};
  };
  type.read = [](const TensorMap& state, const LinearSpec& linear, const LinearQuant&, bool,
                 const std::string&) {
    LayerDraft draft;
    for (const char* suffix : {".delta", ".codes"})
      draft.tensors[suffix] = as_torch(*state.find(linear.name + suffix)).clone();
    return draft;
  };
  type.make = [](const LinearSpec& linear, const LinearQuant&, LayerTensors tensors) {
    return std::unique_ptr<QuantLayer>(new CodedLinear(linear.name, std::move(tensors)));
  };
  return type;
}

struct Registered {
  Registered() { register_layer_type(coded_type()); }
};
BOOST_TEST_GLOBAL_FIXTURE(Registered);

/// One linear of each layer is of the made-up kind, the others are V2.
void write_start(const std::filesystem::path& file) {
  const ModelFiles& files = test::nano_files();
  QuantSpec spec(body_linears(files.architecture), {}, 16);
  for (QuantSpec::Entry& entry : spec.entries()) {
    if (entry.linear.ends_with("up_proj")) entry.quant.type = "coded";
  }
  const Student student = Student::from_scratch(files, spec, {}, at::kCPU, *make_single_communicator());
  write_torch_file(file, student.reference_state_dict(false, nullptr));
}

at::Tensor stored(const std::filesystem::path& file, const std::string& name) {
  const TensorMap state = read_state_dict(file);
  BOOST_REQUIRE(state.contains(name));
  return as_torch(*state.find(name)).clone();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(made_up_layer)

BOOST_AUTO_TEST_CASE(its_floats_and_its_codes_train_and_resume) {
  const test::TempDir work;
  test::write_payload_cache(work / "cache", {});
  write_start(work / "start.pt");
  TrainOptions options = test::nano_options(work / "cache", work / "whole");
  options.v2_checkpoint = (work / "start.pt").string();
  options.lr = 1e-4;
  options.max_steps = 6;
  options.accumulation_steps = 2;
  const auto lines = test::of_kind(test::train(options), "eval");
  BOOST_TEST(lines.back().at("loss").get<double>() < lines.front().at("loss").get<double>());

  const std::string up = "model.layers.0.mlp.up_proj";
  const at::Tensor codes = stored(work / "whole" / "best_state_dict.pt", up + ".codes");
  BOOST_TEST((codes != 1).any().item<bool>());
  BOOST_TEST(!stored(work / "whole" / "best_state_dict.pt", up + ".delta")
                  .equal(stored(work / "start.pt", up + ".delta")));

  // Codes are part of what a state keeps: a run in two halves ends with the same bits.
  options.output_dir = (work / "halves").string();
  options.save_steps = 3;
  TrainOptions half = options;
  half.max_steps = 3;
  half.constant_lr = options.constant_lr = true;
  test::train(half);
  options.resume = "auto";
  test::train(options);
  TrainOptions again = options;
  again.resume = "none";
  again.output_dir = (work / "again").string();
  test::train(again);
  for (const std::string& name :
       {up + ".codes", up + ".delta", std::string("model.layers.1.mlp.gate_proj.scale_A")}) {
    const at::Tensor a = stored(work / "halves" / "best_state_dict.pt", name);
    BOOST_TEST(a.equal(stored(work / "again" / "best_state_dict.pt", name)), name);
  }
}

BOOST_AUTO_TEST_CASE(frozen_tensors_are_those_that_the_run_does_not_change) {
  const test::TempDir work;
  write_start(work / "start.pt");
  const V2Checkpoint opened = open_v2_checkpoint(work / "start.pt");
  const ModelFiles& files = test::nano_files();
  const ResolvedQuant quant = checkpoint_quant(opened, files.architecture, {});
  Student student = Student::from_checkpoint(files, opened, quant.spec, true, at::kCPU);
  TrainOptions options = test::nano_options("", "");
  const auto frozen_has = [&](const Selection& selection, const std::string& name) {
    const auto tensors = student.frozen_tensors(selection.names());
    return std::any_of(tensors.begin(), tensors.end(), [&](const LazyTensor& t) { return t.name == name; });
  };
  const std::string codes = "model.layers.0.mlp.up_proj.codes";
  options.attn_only = true;  // the MLP's tensors are frozen in such a run
  BOOST_TEST(frozen_has(select_trained(student, options), codes));
  options.attn_only = false;
  BOOST_TEST(!frozen_has(select_trained(student, options), codes));
}

BOOST_AUTO_TEST_SUITE_END()
