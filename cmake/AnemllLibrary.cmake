# anemll_add_library(name SOURCES ... PUBLIC libs... PRIVATE libs...): one room of src/ as a static library.
# Dependencies point one way; src/README.md lists the arrows.
function(anemll_add_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(anemll_${name} STATIC ${ARG_SOURCES})
  add_library(anemll::${name} ALIAS anemll_${name})
  target_include_directories(anemll_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR})
  target_link_libraries(anemll_${name} PUBLIC ${ARG_PUBLIC} anemll::sanitizers PRIVATE ${ARG_PRIVATE} anemll::warnings)
endfunction()
