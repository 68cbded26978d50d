# Arrow's C++ Parquet reader out of the pyarrow wheel, without Python.
#
#   ArrowWheel::parquet    libparquet + libarrow
#
# Where it is looked for: cmake/PythonWheel.cmake.
include(FindPackageHandleStandardArgs)
include(PythonWheel)

set(ANEMLL_ARROW_ROOT "" CACHE PATH "Arrow: a folder of pyarrow (21 or newer), with include/ and libparquet")
anemll_find_wheel(ArrowWheel pyarrow parquet/arrow/reader.h pyarrow-22.0.0/pyarrow ANEMLL_ARROW_ROOT)

# The wheel has the libraries under their versioned names only, which find_library does not look for.
foreach(_lib arrow parquet)
  if(NOT ArrowWheel_${_lib}_LIBRARY)
    file(GLOB _found ${ArrowWheel_ROOT}/lib${_lib}.so* ${ArrowWheel_ROOT}/lib${_lib}.*dylib)
    if(ArrowWheel_INCLUDE_DIR AND _found)
      list(GET _found 0 _found)
      set(ArrowWheel_${_lib}_LIBRARY ${_found} CACHE FILEPATH "lib${_lib} of the pyarrow wheel")
    endif()
  endif()
endforeach()

if(EXISTS "${ArrowWheel_INCLUDE_DIR}/arrow/util/config.h")
  file(STRINGS "${ArrowWheel_INCLUDE_DIR}/arrow/util/config.h" _line REGEX "#define ARROW_VERSION_STRING ")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" ArrowWheel_VERSION "${_line}")
endif()

find_package_handle_standard_args(ArrowWheel
  REQUIRED_VARS ArrowWheel_parquet_LIBRARY ArrowWheel_arrow_LIBRARY ArrowWheel_INCLUDE_DIR
  VERSION_VAR ArrowWheel_VERSION
  REASON_FAILURE_MESSAGE "run launch/setup.sh, or give -DANEMLL_ARROW_ROOT=<folder of pyarrow>")

if(ArrowWheel_FOUND AND NOT TARGET ArrowWheel::parquet)
  add_library(ArrowWheel::arrow UNKNOWN IMPORTED)
  set_target_properties(ArrowWheel::arrow PROPERTIES IMPORTED_LOCATION ${ArrowWheel_arrow_LIBRARY})
  add_library(ArrowWheel::parquet UNKNOWN IMPORTED)
  set_target_properties(ArrowWheel::parquet PROPERTIES
    IMPORTED_LOCATION ${ArrowWheel_parquet_LIBRARY}
    INTERFACE_LINK_LIBRARIES ArrowWheel::arrow
    INTERFACE_INCLUDE_DIRECTORIES "${ArrowWheel_INCLUDE_DIR}"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${ArrowWheel_INCLUDE_DIR}")
endif()
mark_as_advanced(ArrowWheel_INCLUDE_DIR ArrowWheel_arrow_LIBRARY ArrowWheel_parquet_LIBRARY)
