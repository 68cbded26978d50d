// V2 checkpoints that hold NaN or infinities: refused when they become a student, by the tensor's name.
#include "anemll/core/error.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/model/torch_bridge.hpp"
#include "tests/support/open_student.hpp"
#include "tests/unit/train/payload_cache.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

/// The nano checkpoint with one value of one tensor changed, in the wanted type; written to `file`.
void write_spoilt(const std::filesystem::path& file, const std::string& name, double value,
                  at::ScalarType type) {
  static const TensorMap state = read_state_dict(test::golden("nano/v2_q2a4_init.pt"));
  BOOST_REQUIRE(state.contains(name));
  std::vector<LazyTensor> tensors;
  for (const auto& [key, tensor] : state) {
    if (key != name) {
      tensors.push_back(lazy(key, tensor));
      continue;
    }
    at::Tensor values = as_torch(tensor).to(type).clone(at::MemoryFormat::Contiguous);
    values.flatten()[values.numel() / 2] = value;
    tensors.push_back(lazy(key, as_host(values)));
  }
  // Not of the model: causal masks hold infinities by right.
  tensors.push_back(lazy("causal_mask", as_host(at::full({2}, -std::numeric_limits<double>::infinity()))));
  write_torch_file(file, tensors);
}

Student open(const std::filesystem::path& file) {
  return test::open_student(test::nano_files(), file);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(bad_checkpoint)

BOOST_AUTO_TEST_CASE(every_tensor_that_becomes_part_of_the_student_is_finite) {
  const test::TempDir work;
  const std::filesystem::path file = work / "c.pt";
  const double infinity = std::numeric_limits<double>::infinity();
  const std::string mlp = "model.layers.1.mlp.up_proj", attention = "model.layers.0.self_attn.o_proj";
  const std::vector<std::string> names = {"model.embed_tokens.weight",
                                          "lm_head.weight",
                                          "model.norm.weight",
                                          "model.layers.1.post_attention_layernorm.weight",
                                          "model.layers.0.self_attn.q_norm.weight",
                                          mlp + ".weight",
                                          mlp + ".scale_A",
                                          mlp + "._Q",
                                          attention + ".scale_B",
                                          attention + ".rank_magnitude",
                                          attention + ".lut"};
  const std::vector<std::pair<double, at::ScalarType>> spoilt = {{std::nan(""), at::kFloat},
                                                                 {-infinity, at::kHalf}};
  for (const std::string& name : names) {
    for (const auto& [value, type] : spoilt) {
      write_spoilt(file, name, value, type);
      BOOST_CHECK_EXCEPTION(open(file), Error, [&](const Error& e) {
        BOOST_TEST(e.problem().starts_with(name + " holds values that are not numbers"), e.problem());
        BOOST_TEST(e.hint().find("best_state_dict.pt") != std::string::npos);
        return e.code() == ExitCode::data && e.where() == file.string();
      });
    }
  }
  write_spoilt(file, "model.norm.weight", 1.5, at::kDouble);
  BOOST_CHECK_NO_THROW(open(file));
}

BOOST_AUTO_TEST_SUITE_END()
