# anemll_add_test(name SOURCES ... LIBS ... [RANKS 1 2 4] [LABELS ...] [TIMEOUT s])
# One Boost.Test program; without RANKS it runs as one plain process, with RANKS under mpirun once per count.
set(ANEMLL_TEST_ENV
  OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1
  ANEMLL_TEST_DATA=${PROJECT_SOURCE_DIR}/tests/golden ANEMLL_BIN=${PROJECT_BINARY_DIR}/bin
  ANEMLL_LAUNCH=${PROJECT_SOURCE_DIR}/launch)

function(anemll_add_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LIBS;RANKS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  target_compile_definitions(${name} PRIVATE BOOST_TEST_DYN_LINK)
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} Boost::unit_test_framework anemll::warnings)
  if(NOT ARG_RANKS)
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/plain_main.cpp)
    add_test(NAME ${name} COMMAND ${name} --log_level=error)
    set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "unit;${ARG_LABELS}" ENVIRONMENT "${ANEMLL_TEST_ENV}")
    return()
  endif()
  target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/mpi_main.cpp)
  target_link_libraries(${name} PRIVATE MPI::MPI_CXX)
  foreach(ranks IN LISTS ARG_RANKS)
    add_test(NAME ${name}.np${ranks}
             COMMAND ${PROJECT_SOURCE_DIR}/tests/support/with_launch_env.sh
                     ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${ranks} $<TARGET_FILE:${name}> --log_level=error)
    set_tests_properties(${name}.np${ranks} PROPERTIES PROCESSORS ${ranks} TIMEOUT ${ARG_TIMEOUT}
      LABELS "mpi;${ARG_LABELS}" ENVIRONMENT "${ANEMLL_TEST_ENV}")
  endforeach()
endfunction()
