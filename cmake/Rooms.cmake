# Reads src/rooms.txt, the one place of the arrows between rooms:
#   ANEMLL_ROOMS          rooms in the order of the file, each below those it uses
#   ANEMLL_PROGRAMS       names of the programs of src/tools, without anemll_
#   ANEMLL_USES_<name>    rooms that a room, or the program tools/<name>, may use
#   ANEMLL_OWNS_<name>    what it owns, in the words of the file
set(ANEMLL_ROOMS_FILE ${PROJECT_SOURCE_DIR}/src/rooms.txt)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ANEMLL_ROOMS_FILE})
set(ANEMLL_ROOMS "")
set(ANEMLL_PROGRAMS "")
file(STRINGS ${ANEMLL_ROOMS_FILE} lines REGEX "^[a-z]")
foreach(line IN LISTS lines)
  string(REGEX REPLACE "[ \t]*#.*" "" arrows "${line}")
  if(NOT arrows MATCHES "^(tools/)?([a-z][a-z0-9_]*):([a-z_ ]*)$")
    message(FATAL_ERROR "src/rooms.txt: not \"room: rooms it may use  # what it owns\": ${line}")
  endif()
  set(program "${CMAKE_MATCH_1}")
  set(name ${CMAKE_MATCH_2})
  separate_arguments(uses UNIX_COMMAND "${CMAKE_MATCH_3}")
  string(REGEX REPLACE "^[^#]*# *" "" ANEMLL_OWNS_${program}${name} "${line}")
  foreach(room IN LISTS uses)
    if(NOT room IN_LIST ANEMLL_ROOMS)
      message(FATAL_ERROR "src/rooms.txt: ${program}${name} uses ${room}, which is no room above it")
    endif()
  endforeach()
  if(program)
    list(APPEND ANEMLL_PROGRAMS ${name})
  else()
    list(APPEND ANEMLL_ROOMS ${name})
  endif()
  list(TRANSFORM uses PREPEND anemll:: OUTPUT_VARIABLE ANEMLL_USES_${program}${name})
endforeach()

# anemll_add_library(name [SOURCES ...] [PUBLIC libs...] [PRIVATE libs...]): one room of src/ as a static library. Without
# SOURCES it is every .cpp file of the folder. The libraries are those of others: rooms come from src/rooms.txt. They are
# public, so that a header of this room may include theirs.
function(anemll_add_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  if(NOT ARG_SOURCES)
    file(GLOB ARG_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  endif()
  add_library(anemll_${name} STATIC ${ARG_SOURCES})
  add_library(anemll::${name} ALIAS anemll_${name})
  target_include_directories(anemll_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR})
  target_link_libraries(anemll_${name}
    PUBLIC ${ANEMLL_USES_${name}} ${ARG_PUBLIC} anemll::sanitizers PRIVATE ${ARG_PRIVATE} anemll::warnings)
endfunction()
