include(GNUInstallDirs)
# Installed programs find the libraries of the wheels where the build found them.
set_target_properties(${ANEMLL_TOOLS} PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS ${ANEMLL_TOOLS} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs ${PROJECT_SOURCE_DIR}/launch
        DESTINATION ${CMAKE_INSTALL_DATADIR}/anemll_train USE_SOURCE_PERMISSIONS)
