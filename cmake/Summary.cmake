message(STATUS "anemll_train ${PROJECT_VERSION}, ${CMAKE_BUILD_TYPE}")
message(STATUS "  LibTorch ${LibTorch_VERSION}  ${LibTorch_ROOT}")
message(STATUS "  MPI ${MPI_CXX_VERSION}  HDF5 ${HDF5_VERSION}  Boost ${Boost_VERSION_STRING}")
message(STATUS "  CUDA and NCCL backends: ${ANEMLL_HAVE_CUDA} (ANEMLL_WITH_CUDA=${ANEMLL_WITH_CUDA})")
