# What is linked into every room, so that a whole build tree is of one kind.
add_library(anemll_sanitizers INTERFACE)
add_library(anemll::sanitizers ALIAS anemll_sanitizers)
if(ANEMLL_SANITIZE)
  target_compile_options(anemll_sanitizers INTERFACE -fsanitize=${ANEMLL_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(anemll_sanitizers INTERFACE -fsanitize=${ANEMLL_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC warns of values in libstdc++'s own headers that only the instrumented code seems to leave unset.
    target_compile_options(anemll_sanitizers INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
if(ANEMLL_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "ANEMLL_FUZZ needs clang: configure with -DCMAKE_CXX_COMPILER=clang++")
  endif()
  # A fuzzer steers by the coverage counters of all code that it runs.
  target_compile_options(anemll_sanitizers INTERFACE
    -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g)
  target_link_options(anemll_sanitizers INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined)
endif()
