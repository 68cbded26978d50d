// What every HDF5 call of this room goes through: owned handles, failures as data errors, element types.
// For h5*.cpp only: HDF5's types stop here.
#pragma once

#include "src/data/h5.hpp"

#include <optional>
#include <string>

#include <hdf5.h>

namespace anemll::h5 {

/// Called before the first call of a thread: HDF5 prints errors to stderr by itself unless told otherwise,
/// per thread in a thread-safe build. Its own clean-up at exit is turned off: a file that could not be closed
/// because the disk is full would be closed again there, which ends in a crash instead of the exit code.
/// Every file is closed by its owner.
void quiet();

/// Throws a data error with HDF5's reason for the call that just failed.
[[noreturn]] void fail(const std::string& action, const std::string& where);
void check(herr_t status, const std::string& action, const std::string& where);
Handle own(hid_t id, Handle::Close close, const std::string& action, const std::string& where);

/// Byte order does not matter here: HDF5 converts it on the way, and not at all when it is ours.
/// Nothing for types that no column has.
std::optional<DType> classify(hid_t type);
/// A data error for other types than those.
Handle make_type(std::optional<DType> type, bool in_memory, const std::string& where);

}  // namespace anemll::h5
