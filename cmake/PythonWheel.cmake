# anemll_find_wheel(PACKAGE MODULE HEADER FOLDER ROOT): libraries of others out of a Python wheel, without Python at run time.
# Sets <PACKAGE>_INCLUDE_DIR, in which HEADER lies, and <PACKAGE>_ROOT, the folder of MODULE above it. Search order: ROOT
# (variable or environment), FOLDER in the prefix of launch/setup.sh, the MODULE of python3.
function(anemll_find_wheel package module header folder root)
  set(prefix "$ENV{ANEMLL_DEPS_DIR}")
  if(NOT prefix)
    set(prefix "$ENV{HOME}/.cache/anemll_train")
  endif()
  find_path(${package}_INCLUDE_DIR ${header} HINTS ${${root}} $ENV{${root}} ${prefix}/${folder}
            PATH_SUFFIXES include NO_DEFAULT_PATH)
  if(NOT ${package}_INCLUDE_DIR)
    execute_process(COMMAND python3 -c "import importlib.util as u; print(u.find_spec('${module}').submodule_search_locations[0])"
                    OUTPUT_VARIABLE own OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    find_path(${package}_INCLUDE_DIR ${header} HINTS ${own} PATH_SUFFIXES include NO_DEFAULT_PATH)
  endif()
  get_filename_component(above "${${package}_INCLUDE_DIR}" DIRECTORY)
  set(${package}_ROOT "${above}" PARENT_SCOPE)
endfunction()
