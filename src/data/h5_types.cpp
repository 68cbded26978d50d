// Element types of the schema as HDF5 sees them.
#include "anemll/core/error.hpp"
#include "src/data/h5_calls.hpp"

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

Type classify(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      if (H5Tget_size(type) == 4 && H5Tget_sign(type) == H5T_SGN_2) return Type::i32;
      if (H5Tget_size(type) == 1 && H5Tget_sign(type) == H5T_SGN_NONE) return Type::u8;
      return Type::other;
    case H5T_FLOAT:
      if (is_f16(type)) return Type::f16;
      if (H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0) return Type::f32;
      return Type::other;
    default:
      return Type::other;
  }
}

Handle make_type(Type type, bool in_memory, const std::string& where) {
  hid_t base = -1;
  switch (type) {
    case Type::i32:
      base = in_memory ? H5T_NATIVE_INT32 : H5T_STD_I32LE;
      break;
    case Type::u8:
      base = in_memory ? H5T_NATIVE_UINT8 : H5T_STD_U8LE;
      break;
    case Type::f16:
      return make_f16(in_memory ? H5T_NATIVE_FLOAT : H5T_IEEE_F32LE, where);
    case Type::f32:
      base = in_memory ? H5T_NATIVE_FLOAT : H5T_IEEE_F32LE;
      break;
    case Type::other:
      throw_data("unsupported element type", where, "the schema knows int32, uint8, float16 and float32");
  }
  return own(H5Tcopy(base), H5Tclose, "cannot copy a type", where);
}

std::size_t size_of(Type type) {
  switch (type) {
    case Type::i32:
    case Type::f32:
      return 4;
    case Type::f16:
      return 2;
    case Type::u8:
      return 1;
    case Type::other:
      break;
  }
  return 0;
}

std::string_view name_of(Type type) {
  switch (type) {
    case Type::i32:
      return "int32";
    case Type::u8:
      return "uint8";
    case Type::f16:
      return "float16";
    case Type::f32:
      return "float32";
    case Type::other:
      break;
  }
  return "another type";
}

}  // namespace anemll::h5
