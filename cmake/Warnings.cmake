add_library(anemll_warnings INTERFACE)
add_library(anemll::warnings ALIAS anemll_warnings)
target_compile_options(anemll_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  $<$<BOOL:${ANEMLL_WERROR}>:-Werror>)
