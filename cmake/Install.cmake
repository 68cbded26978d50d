# cmake --install: programs, and in share/anemll_train what recipes read, laid out as in the source tree, so that the same
# scripts work from there.
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
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs ${PROJECT_SOURCE_DIR}/launch DESTINATION ${share} COMPONENT programs
        USE_SOURCE_PERMISSIONS)
# The guides are also the text of the quick start, and the nano model its --tiny form.
file(GLOB guides RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/*.md ${PROJECT_SOURCE_DIR}/src/*.md
     ${PROJECT_SOURCE_DIR}/src/*/*.md ${PROJECT_SOURCE_DIR}/tests/*.md ${PROJECT_SOURCE_DIR}/tests/*/*.md)
foreach(guide IN LISTS guides)
  get_filename_component(folder ${guide} DIRECTORY)
  install(FILES ${PROJECT_SOURCE_DIR}/${guide} DESTINATION ${share}/${folder} COMPONENT programs)
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/tests/golden/nano DESTINATION ${share}/tests/golden COMPONENT programs)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright COMPONENT programs)
if(ANEMLL_BUNDLE)
  include(package/Package)
endif()
