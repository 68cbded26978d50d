# cpack -G DEB and cpack -G TZST: the component `programs`, with the libraries of Bundle.cmake (cmake/package/README.md).
set(CPACK_PACKAGE_NAME anemll-train)
set(CPACK_PACKAGE_VENDOR "anemll_train")
set(CPACK_PACKAGE_CONTACT "The anemll_train authors <authors@anemll-train.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "brings small language models to 2 bits for the Apple Neural Engine")
set(CPACK_PACKAGE_DESCRIPTION "Knowledge distillation and quantisation-aware training of small language models.
 A teacher's answers are cached, the scales of a student with 2-bit weights are
 trained against them, on one process or on many MPI ranks, and the result is
 written as a checkpoint that the ANEMLL converters read.")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_GENERATOR DEB TZST)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_COMPONENTS_ALL programs)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)

set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_ARCHIVE_FILE_NAME anemll-train-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR})

set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${LibTorch_ROOT}/lib)
if(ANEMLL_HAVE_PARQUET)
  list(APPEND CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${ArrowWheel_ROOT})
endif()
foreach(library IN LISTS cuda_libraries)
  get_filename_component(folder ${library} DIRECTORY)
  list(APPEND CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${folder})
endforeach()
set(CPACK_DEBIAN_PACKAGE_DEPENDS "openmpi-bin, bash, gawk | mawk, coreutils, util-linux")
# The last two fetch the model of the quick start. python3-pip itself would bring a compiler.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates, openssh-client, python3, python3-pip-whl | python3-pip")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "gnuplot-nox")
include(CPack)
