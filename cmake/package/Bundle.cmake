# What the programs need and Debian does not package, in a private folder beside them: LibTorch's CPU part, the two small
# CUDA libraries that it refers to, and Arrow. Their licence texts lie in share/doc. Used with ANEMLL_BUNDLE=ON, which
# packages need; a plain `cmake --install` leaves these libraries where the build found them.
set(private ${CMAKE_INSTALL_LIBDIR}/anemll_train)

# bundle_library(FILE): under the name that programs ask for, which may be that of a link.
function(bundle_library file)
  get_filename_component(real ${file} REALPATH)
  get_filename_component(name ${file} NAME)
  install(PROGRAMS ${real} DESTINATION ${private} RENAME ${name} COMPONENT programs)
endfunction()

# bundle_licences(ROOT NAME...): of wheels that were unpacked into ROOT.
function(bundle_licences root)
  foreach(wheel IN LISTS ARGN)
    file(GLOB folder ${root}/${wheel}-*.dist-info)
    file(GLOB_RECURSE texts ${folder}/licenses/* ${folder}/LICENSE* ${folder}/NOTICE*)
    if(NOT texts)
      message(FATAL_ERROR "ANEMLL_BUNDLE=ON: no licence text of ${wheel} in ${root}. "
                          "Run launch/setup.sh, whose wheels have one, or build without ANEMLL_BUNDLE.")
    endif()
    install(FILES ${texts} DESTINATION ${CMAKE_INSTALL_DOCDIR}/licences/${wheel} COMPONENT programs)
  endforeach()
endfunction()

get_filename_component(torch_wheel ${LibTorch_ROOT} DIRECTORY)
bundle_library(${LibTorch_torch_cpu_LIBRARY})
bundle_library(${LibTorch_c10_LIBRARY})
bundle_licences(${torch_wheel} torch)
# Absent where LibTorch was built without CUDA.
file(GLOB cuda_libraries ${torch_wheel}/nvidia/*/lib/libcudart.so.* ${torch_wheel}/nvidia/*/lib/libcupti.so.*)
if(cuda_libraries)
  foreach(library IN LISTS cuda_libraries)
    bundle_library(${library})
  endforeach()
  bundle_licences(${torch_wheel} nvidia_cuda_runtime nvidia_cuda_cupti)
endif()
if(ANEMLL_HAVE_PARQUET)
  bundle_library(${ArrowWheel_parquet_LIBRARY})
  bundle_library(${ArrowWheel_arrow_LIBRARY})
  get_filename_component(arrow_wheel ${ArrowWheel_ROOT} DIRECTORY)
  bundle_licences(${arrow_wheel} pyarrow)
endif()

# From where a program lies: nothing of the machine that built it.
file(RELATIVE_PATH way ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR}/anemll_train)
set_target_properties(${ANEMLL_TOOLS} PROPERTIES INSTALL_RPATH "$ORIGIN/${way}" INSTALL_RPATH_USE_LINK_PATH OFF)
