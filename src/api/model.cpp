// The model: opening, looking at, saving.
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/torch_file.hpp"
#include "anemll/hub/hub.hpp"
#include "src/api/internal/model_impl.hpp"
#include "src/hub/recorded_id.hpp"
#include "src/model/compute.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/student/checkpoint_config.hpp"

#include <algorithm>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

void require_ids(const at::Tensor& ids, const Architecture& architecture) {
  if (!ids.defined() || ids.dim() != 2 || ids.scalar_type() != at::kLong || ids.numel() == 0)
    throw_usage("input_ids is no matrix [B, L] of int64", "Model::logits", "give one row of ids a sequence");
  const std::int64_t least = ids.min().item<std::int64_t>(), most = ids.max().item<std::int64_t>();
  if (least < 0 || most >= architecture.vocab_size)
    throw_usage(
        strf("input_ids holds %lld to %lld, the vocabulary has %lld ids", static_cast<long long>(least),
             static_cast<long long>(most), static_cast<long long>(architecture.vocab_size)),
        "Model::logits", "encode the text with the model's own tokenizer");
  if (architecture.max_positions > 0 && ids.size(1) > architecture.max_positions)
    throw_usage(strf("input_ids has %lld positions, the model %lld", static_cast<long long>(ids.size(1)),
                     static_cast<long long>(architecture.max_positions)),
                "Model::logits", "give shorter sequences");
}

}  // namespace

Student& Model::Impl::student(const char* function) const {
  if (!given.student)
    throw_usage("the model has no V2 layers", function,
                "call replace_linear_with_anemll_v2 or load_v2_checkpoint first");
  return *given.student;
}

Decoder& Model::Impl::decoder() {
  if (given.student) {
    given.student->set_evaluation();
    return given.student->decoder();
  }
  if (!plain) plain = std::make_unique<Decoder>(given.base, device, /*dense=*/true);
  return *plain;
}

void Model::Impl::take(Student made) {
  given.student = std::make_shared<Student>(std::move(made));
  plain.reset();
  set_numerics();
}

void Model::Impl::set_numerics() const {
  LayerNumerics numerics;
  numerics.ste = ste;
  if (factored) {
    numerics.forward = !batched   ? ForwardMode::automatic
                       : *batched ? ForwardMode::batched
                                  : ForwardMode::loop;
  }
  given.student->set_numerics(numerics);
  given.student->set_evaluation();
}

std::int64_t Model::Impl::layers() const {
  return static_cast<std::int64_t>(given.student->layers().size());
}

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model Model::open(const std::string& name, const ModelOptions& options) {
  return as_errors([&] {
    auto impl = std::make_unique<Impl>();
    HubOptions hub;
    hub.revision = options.revision;
    impl->device = choose_device(options.device, options.local_rank, true);
    impl->given.opened = open_model(fetch_model(name, hub, ModelUse::weights).path);
    impl->given.base = load_model_files(impl->given.opened);
    impl->given.base.inventory.tell(name, options.strict);
    impl->id = id_to_record(name);
    impl->revision = revision_to_record(name, options.revision);
    return Model(std::move(impl));
  });
}

Model::Impl& Model::impl() const {
  if (!impl_) throw_usage("the model was moved from", "anemll::Model", "use the object that it was moved to");
  return *impl_;
}

bool Model::quantised() const {
  return impl().given.student != nullptr;
}

std::vector<std::string> Model::linears() const {
  std::vector<std::string> names;
  for (LinearSpec& linear : body_linears(impl().given.base.architecture))
    names.push_back(std::move(linear.name));
  return names;
}

at::Tensor Model::weight(const std::string& linear) const {
  return as_errors([&] {
    const at::NoGradGuard no_grad;
    const std::vector<std::string> names = linears();
    const auto found = std::find(names.begin(), names.end(), linear);
    if (found == names.end())
      throw_usage("no linear has the name " + linear, "Model::weight", "Model::linears has all of them");
    const Student* student = impl().given.student.get();
    if (student == nullptr)
      return as_torch(*impl().given.base.tensors.find(linear + ".weight")).to(at::kFloat).clone();
    const auto layer = static_cast<std::size_t>(found - names.begin());
    return student->layers()[layer]->effective_weight(at::kFloat).cpu();
  });
}

at::Tensor Model::logits(const at::Tensor& input_ids) const {
  return as_errors([&] {
    const at::NoGradGuard no_grad;
    require_ids(input_ids, impl().given.base.architecture);
    Decoder& decoder = impl().decoder();
    return decoder.logits(decoder.hidden(input_ids.to(impl().device), {})).cpu();
  });
}

void Model::save(const fs::path& file) const {
  as_errors([&] {
    const Student& student = impl().student("Model::save");
    const fs::path target = fs::absolute(file), config_file = target.parent_path() / "config.json";
    for (const fs::path& one : {target, config_file}) {
      if (fs::exists(one))
        throw_usage("is there already", one.string(), "save into a folder of its own, or remove it first");
    }
    nlohmann::ordered_json config = checkpoint_config(student.spec(), {impl().id, impl().revision});
    config["source_checkpoint"] = impl().given.source;
    add_reading_rules(config, student.spec());
    fs::create_directories(target.parent_path());
    write_torch_file(target, student.reference_state_dict(/*half=*/false, nullptr));
    write_file(config_file, config_text(config));
    student.files().release_pages();
  });
}

}  // namespace anemll
