# From version 13 the flow analysis of GCC takes code that it inlines out of LibTorch and the standard library for faults. Such a
# warning stays one: what is our fault is found by the sanitizers too.
set(flow array-bounds dangling-pointer free-nonheap-object maybe-uninitialized restrict stringop-overflow stringop-overread
    use-after-free)
list(TRANSFORM flow PREPEND -Wno-error=)
add_library(anemll_warnings INTERFACE)
add_library(anemll::warnings ALIAS anemll_warnings)
target_compile_options(anemll_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  $<$<BOOL:${ANEMLL_WERROR}>:-Werror>
  "$<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,13>>:${flow}>")
unset(flow)
