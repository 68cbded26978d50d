# The C++ API of cmake --install (component api): one shared library, its headers and the package `anemll`.
include(CMakePackageConfigHelpers)

# All rooms as one library: what they are linked with is not seen by its users, but LibTorch, whose tensors the API has.
add_library(anemll_shared SHARED)
add_library(anemll::anemll ALIAS anemll_shared)
foreach(room IN LISTS ANEMLL_ROOMS)
  target_sources(anemll_shared PRIVATE $<TARGET_OBJECTS:anemll_${room}>)
  target_link_libraries(anemll_shared PRIVATE anemll_${room})
endforeach()
target_link_libraries(anemll_shared PUBLIC LibTorch::cpu)
target_compile_features(anemll_shared INTERFACE cxx_std_20)
target_include_directories(anemll_shared INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(anemll_shared PROPERTIES
  OUTPUT_NAME anemll EXPORT_NAME anemll LINKER_LANGUAGE CXX
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  INSTALL_RPATH_USE_LINK_PATH ON)
add_dependencies(programs anemll_shared)  # `cmake --install` finds all that it wants behind either

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/anemll)
install(TARGETS anemll_shared EXPORT anemllTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT api NAMELINK_COMPONENT api)
install(EXPORT anemllTargets NAMESPACE anemll:: DESTINATION ${package} COMPONENT api)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/anemll DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT api)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/api/example
        DESTINATION ${CMAKE_INSTALL_DATADIR}/anemll_train COMPONENT api)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/anemllConfig.cmake.in ${PROJECT_BINARY_DIR}/anemllConfig.cmake
  INSTALL_DESTINATION ${package} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/anemllConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/anemllConfig.cmake ${PROJECT_BINARY_DIR}/anemllConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/FindLibTorch.cmake ${CMAKE_CURRENT_LIST_DIR}/PythonWheel.cmake
        DESTINATION ${package} COMPONENT api)
