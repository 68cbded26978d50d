# cmake --install: programs (component programs), and in share/anemll_train what recipes read, laid out as in the source tree,
# so that the same scripts work from there. The C++ API: InstallApi.cmake.
include(GNUInstallDirs)
option(ANEMLL_BUNDLE "Install LibTorch and Arrow beside the programs, as packages need it" OFF)
set(CMAKE_INSTALL_DOCDIR ${CMAKE_INSTALL_DATAROOTDIR}/doc/anemll-train)
set(share ${CMAKE_INSTALL_DATADIR}/anemll_train)

# Without a bundle, installed programs find the libraries of the wheels where the build found them.
set_target_properties(${ANEMLL_TOOLS} PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
if(ANEMLL_BUNDLE)
  include(package/Bundle)
endif()
install(TARGETS ${ANEMLL_TOOLS} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT programs)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs DESTINATION ${share} COMPONENT programs)
# Without the scripts that build or test a source tree.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/launch DESTINATION ${share} COMPONENT programs USE_SOURCE_PERMISSIONS
        REGEX "/(build|test|fuzz|setup|packages|colab|pictures)\\.sh$" EXCLUDE
        REGEX "/(Dockerfile|apptainer.def)$" EXCLUDE)
# The guides are also the text of the quick start, and the nano model its --tiny form. With what their links lead to:
# tests/support/installed_links.sh.
file(GLOB guides RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/*.md ${PROJECT_SOURCE_DIR}/src/*.md
     ${PROJECT_SOURCE_DIR}/src/*/*.md ${PROJECT_SOURCE_DIR}/tests/*.md ${PROJECT_SOURCE_DIR}/tests/*/*.md)
list(APPEND guides cmake/package/README.md src/rooms.txt src/api/example/main.cpp src/api/example/CMakeLists.txt)
foreach(guide IN LISTS guides)
  get_filename_component(folder ${guide} DIRECTORY)
  install(FILES ${PROJECT_SOURCE_DIR}/${guide} DESTINATION ${share}/${folder} COMPONENT programs)
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/tests/golden/nano DESTINATION ${share}/tests/golden COMPONENT programs)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright COMPONENT programs)
# Made by the target manual (src/tools/CMakeLists.txt), which builds with sanitizers leave out.
install(DIRECTORY ${PROJECT_BINARY_DIR}/share/man/ DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT programs OPTIONAL)
install(DIRECTORY ${PROJECT_BINARY_DIR}/share/bash-completion ${PROJECT_BINARY_DIR}/share/zsh ${PROJECT_BINARY_DIR}/share/fish
        DESTINATION ${CMAKE_INSTALL_DATADIR} COMPONENT programs OPTIONAL)
install(FILES ${PROJECT_SOURCE_DIR}/src/manual/options.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT programs)
include(InstallApi)
if(ANEMLL_BUNDLE)
  include(package/Package)
endif()
