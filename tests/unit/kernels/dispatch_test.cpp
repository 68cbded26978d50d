// How an implementation is chosen, on operations made up here: by device, by what a kernel takes, by type of
// the elements. LibTorch's meta device, whose tensors have shapes and no elements, stands for one without own
// kernels: every build has it.
#include "src/kernels/dispatch.hpp"

#include "anemll/core/error.hpp"
#include "src/kernels/functions.hpp"
#include "src/kernels/product.hpp"

#include <string>
#include <type_traits>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <boost/test/unit_test.hpp>

namespace {

using anemll::kernels::Bf16;
using anemll::kernels::common_device;
using anemll::kernels::dispatch;
using anemll::kernels::Operation;

at::Tensor on(at::DeviceType device, at::IntArrayRef shape, at::ScalarType dtype = at::kFloat) {
  return at::empty(shape, at::TensorOptions().device(device).dtype(dtype));
}

using Name = std::string(const at::Tensor&, double);

std::string generic(const at::Tensor&, double) {
  return "generic";
}
std::string short_rows(const at::Tensor&, double) {
  return "short rows";
}
std::string long_rows(const at::Tensor&, double) {
  return "long rows";
}
std::string made_up(const at::Tensor&, double number) {
  return "made-up device " + std::to_string(static_cast<int>(number));
}
bool is_short(const at::Tensor& x, double) {
  return x.scalar_type() == at::kFloat && x.size(-1) <= 4;
}
bool is_float(const at::Tensor& x, double) {
  return x.scalar_type() == at::kFloat;
}

constexpr Operation<Name> kName(generic, {{at::kCPU, short_rows, is_short},
                                          {at::kCPU, long_rows, is_float},
                                          {at::kMeta, made_up}});

}  // namespace

BOOST_AUTO_TEST_SUITE(dispatch_by_device_and_type)

BOOST_AUTO_TEST_CASE(the_device_and_then_the_arguments_choose_the_kernel) {
  const auto run = [](const at::Tensor& x) { return kName.run(common_device(x), x, 7); };
  BOOST_CHECK_EQUAL(run(on(at::kCPU, {2, 4})), "short rows");
  BOOST_CHECK_EQUAL(run(on(at::kCPU, {2, 5})), "long rows");
  BOOST_CHECK_EQUAL(run(on(at::kCPU, {2, 4}, at::kDouble)), "generic");
  BOOST_CHECK_EQUAL(run(on(at::kMeta, {2, 4})), "made-up device 7");
  BOOST_CHECK_EQUAL(run(on(at::kMeta, {2, 4}, at::kDouble)), "made-up device 7");
  constexpr Operation<Name> kNoKernels(generic, {});
  BOOST_CHECK_EQUAL(kNoKernels.run(at::kCPU, on(at::kCPU, {1}), 0), "generic");
}

BOOST_AUTO_TEST_CASE(tensors_on_several_devices_have_no_kernel) {
  const at::Tensor cpu = on(at::kCPU, {2, 4});
  const at::Tensor meta = on(at::kMeta, {2, 4});
  BOOST_CHECK(common_device(cpu, cpu, at::Tensor()) == at::kCPU);
  BOOST_CHECK(common_device(meta, at::Tensor(), meta) == at::kMeta);
  BOOST_CHECK(!common_device(cpu, meta));
  BOOST_CHECK_EQUAL(kName.run(common_device(cpu, at::Tensor(), meta), cpu, 7), "generic");
}

BOOST_AUTO_TEST_CASE(a_type_of_elements_reaches_the_kernel_as_a_type) {
  const auto size = [](at::ScalarType type) { return dispatch(type, []<class T>() { return sizeof(T); }); };
  BOOST_CHECK_EQUAL(size(at::kFloat), 4U);
  BOOST_CHECK_EQUAL(size(at::kBFloat16), 2U);
  BOOST_CHECK_THROW(size(at::kDouble), anemll::Error);
  BOOST_CHECK_THROW(size(at::kHalf), anemll::Error);
  const at::Tensor ones = at::ones({3}, at::kBFloat16);
  const bool same = dispatch(ones.scalar_type(), [&]<class T>() {
    return std::is_same_v<T, Bf16> && anemll::kernels::load(anemll::kernels::data<const T>(ones)[2]) == 1.0F;
  });
  BOOST_CHECK(same);
  BOOST_CHECK(anemll::kernels::data<float>({}) == nullptr);
}

BOOST_AUTO_TEST_CASE(operations_run_on_a_device_without_kernels) {
  namespace kernels = anemll::kernels;
  const at::Tensor x = on(at::kMeta, {2, 5, 3, 8});
  const at::Tensor weight = on(at::kMeta, {8});
  const at::Tensor angle = on(at::kMeta, {5, 4});
  const auto check = [](const at::Tensor& got, const at::Tensor& like) {
    BOOST_CHECK(got.device().type() == at::kMeta && got.sizes() == like.sizes());
  };
  const kernels::Normed normed = kernels::add_rms_norm(x, x, weight, 1e-6, at::kBFloat16);
  check(normed.sum, x);
  check(normed.normed, x);
  BOOST_CHECK(normed.normed.scalar_type() == at::kBFloat16);
  check(kernels::head_norm_rope(x, weight, 1e-6, angle, angle), x);
  check(kernels::swiglu(x, x), x);
  check(kernels::mm(on(at::kMeta, {4, 8}), on(at::kMeta, {8, 6})), on(at::kMeta, {4, 6}));
  check(kernels::linear(x, on(at::kMeta, {6, 8}), {}), on(at::kMeta, {2, 5, 3, 6}));
}

BOOST_AUTO_TEST_SUITE_END()
