# Every third-party package, in the order that works: MPI and HDF5 before LibTorch, CUDA before NCCL.
set(MPI_CXX_SKIP_MPICXX ON)  # the C++ bindings are gone from Open MPI 5
find_package(MPI REQUIRED COMPONENTS CXX)
set(HDF5_PREFER_PARALLEL OFF)  # read-only streaming needs no parallel HDF5
find_package(HDF5 REQUIRED COMPONENTS C)
find_package(Boost 1.74 REQUIRED COMPONENTS program_options unit_test_framework)
find_package(nlohmann_json 3.9 REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)

set(ANEMLL_HAVE_CUDA OFF)
if(ANEMLL_WITH_CUDA STREQUAL "ON")
  find_package(CUDAToolkit REQUIRED)
  find_package(NCCL REQUIRED)
endif()
find_package(LibTorch 2.6 REQUIRED)
if(ANEMLL_WITH_CUDA STREQUAL "ON")
  if(NOT TARGET LibTorch::cuda)
    message(FATAL_ERROR "ANEMLL_WITH_CUDA=ON, but this LibTorch has no libtorch_cuda. "
                        "Give -DANEMLL_TORCH_ROOT= of a CUDA build, or -DANEMLL_WITH_CUDA=OFF.")
  endif()
  set(ANEMLL_HAVE_CUDA ON)
endif()
