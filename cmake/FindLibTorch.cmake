# LibTorch out of the Python wheel, without Python and without the wheel's own CMake config (which
# demands a CUDA toolkit even for CPU programs).
#
#   LibTorch::cpu    libtorch_cpu + libc10; runs on machines without CUDA
#   LibTorch::cuda   adds libtorch_cuda + libc10_cuda; defined when the CUDA toolkit target CUDA::cudart exists
#
# Where it is looked for: cmake/PythonWheel.cmake.
include(FindPackageHandleStandardArgs)
include(PythonWheel)

set(ANEMLL_TORCH_ROOT "" CACHE PATH "LibTorch: a folder that holds include/ and lib/ (2.6 or newer)")
anemll_find_wheel(LibTorch torch ATen/ATen.h libtorch-2.11.0/torch ANEMLL_TORCH_ROOT)
foreach(_lib torch_cpu c10 torch_cuda c10_cuda)
  find_library(LibTorch_${_lib}_LIBRARY ${_lib} HINTS ${LibTorch_ROOT}/lib NO_DEFAULT_PATH)
endforeach()

# The header moved in 2.9; both spellings define TORCH_VERSION_MAJOR, _MINOR and _PATCH.
foreach(_header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
  if(EXISTS "${LibTorch_INCLUDE_DIR}/${_header}" AND NOT LibTorch_VERSION)
    set(_numbers "")
    foreach(_part MAJOR MINOR PATCH)
      file(STRINGS "${LibTorch_INCLUDE_DIR}/${_header}" _line REGEX "#define TORCH_VERSION_${_part} ")
      string(REGEX MATCH "[0-9]+" _number "${_line}")
      list(APPEND _numbers ${_number})
    endforeach()
    list(JOIN _numbers "." LibTorch_VERSION)
  endif()
endforeach()

find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_torch_cpu_LIBRARY LibTorch_c10_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "run launch/setup.sh, or give -DANEMLL_TORCH_ROOT=<folder with include/ and lib/>")

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  add_library(LibTorch::c10 UNKNOWN IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION ${LibTorch_c10_LIBRARY})
  add_library(LibTorch::cpu UNKNOWN IMPORTED)
  set_target_properties(LibTorch::cpu PROPERTIES
    IMPORTED_LOCATION ${LibTorch_torch_cpu_LIBRARY}
    INTERFACE_COMPILE_DEFINITIONS _GLIBCXX_USE_CXX11_ABI=1
    INTERFACE_LINK_LIBRARIES LibTorch::c10
    # libtorch_cpu finds libcudart and libcupti by its own RPATH, which the linker does not follow.
    INTERFACE_LINK_OPTIONS "$<$<PLATFORM_ID:Linux>:LINKER:--allow-shlib-undefined>"
    INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
  if(LibTorch_torch_cuda_LIBRARY AND LibTorch_c10_cuda_LIBRARY AND TARGET CUDA::cudart)
    add_library(LibTorch::cuda INTERFACE IMPORTED)
    # Nothing refers to a symbol of libtorch_cuda directly: it registers kernels when it is loaded.
    set_target_properties(LibTorch::cuda PROPERTIES
      INTERFACE_LINK_OPTIONS "LINKER:--no-as-needed,${LibTorch_torch_cuda_LIBRARY},${LibTorch_c10_cuda_LIBRARY},--as-needed"
      INTERFACE_LINK_LIBRARIES "LibTorch::cpu;CUDA::cudart")
  endif()
endif()
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_torch_cpu_LIBRARY LibTorch_c10_LIBRARY
                 LibTorch_torch_cuda_LIBRARY LibTorch_c10_cuda_LIBRARY)
