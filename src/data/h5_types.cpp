// Element types of the schema as HDF5 sees them.
#include "anemll/core/error.hpp"
#include "src/data/internal/h5_calls.hpp"

namespace anemll::h5 {
namespace {

// IEEE binary16, which HDF5 1.10 has no name for. h5py shows it as float16.
Handle make_f16(hid_t base, const std::string& where) {
  Handle type = own(H5Tcopy(base), H5Tclose, "cannot build the float16 type", where);
  // Fields first: the size may only shrink to what they need.
  check(H5Tset_fields(type.get(), 15, 10, 5, 0, 10), "cannot build the float16 type", where);
  check(H5Tset_size(type.get(), 2), "cannot build the float16 type", where);
  check(H5Tset_ebias(type.get(), 15), "cannot build the float16 type", where);
  return type;
}

bool is_f16(hid_t type) {
  std::size_t sign = 0, exponent = 0, exponent_size = 0, mantissa = 0, mantissa_size = 0;
  if (H5Tget_fields(type, &sign, &exponent, &exponent_size, &mantissa, &mantissa_size) < 0) return false;
  return H5Tget_size(type) == 2 && sign == 15 && exponent == 10 && exponent_size == 5 && mantissa == 0 &&
         mantissa_size == 10 && H5Tget_ebias(type) == 15 && H5Tget_norm(type) == H5T_NORM_IMPLIED;
}

}  // namespace

std::optional<DType> classify(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      if (H5Tget_size(type) == 4 && H5Tget_sign(type) == H5T_SGN_2) return DType::i32;
      if (H5Tget_size(type) == 1 && H5Tget_sign(type) == H5T_SGN_NONE) return DType::u8;
      return std::nullopt;
    case H5T_FLOAT:
      if (is_f16(type)) return DType::f16;
      if (H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0) return DType::f32;
      if (H5Tequal(type, H5T_IEEE_F64LE) > 0 || H5Tequal(type, H5T_IEEE_F64BE) > 0) return DType::f64;
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

Handle make_type(std::optional<DType> type, bool in_memory, const std::string& where) {
  hid_t base = -1;
  if (type == DType::f16) return make_f16(in_memory ? H5T_NATIVE_FLOAT : H5T_IEEE_F32LE, where);
  if (type == DType::i32) base = in_memory ? H5T_NATIVE_INT32 : H5T_STD_I32LE;
  if (type == DType::u8) base = in_memory ? H5T_NATIVE_UINT8 : H5T_STD_U8LE;
  if (type == DType::f32) base = in_memory ? H5T_NATIVE_FLOAT : H5T_IEEE_F32LE;
  if (type == DType::f64) base = in_memory ? H5T_NATIVE_DOUBLE : H5T_IEEE_F64LE;
  if (base < 0)
    throw_data("unsupported element type", where,
               "the files have int32, uint8, float16, float32 and float64: make the cache again with "
               "anemll_precompute");
  return own(H5Tcopy(base), H5Tclose, "cannot copy a type", where);
}

}  // namespace anemll::h5
