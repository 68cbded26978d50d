include(GNUInstallDirs)
# Installed programs find the libraries of the wheels where the build found them.
set_target_properties(${ANEMLL_TOOLS} PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS ${ANEMLL_TOOLS} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs DESTINATION ${CMAKE_INSTALL_DATADIR}/anemll_train)
# Without the scripts that build, test or measure a source tree.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/launch DESTINATION ${CMAKE_INSTALL_DATADIR}/anemll_train USE_SOURCE_PERMISSIONS
        REGEX "/(build|test|fuzz|setup|packages|colab|demo_model|quickstart|quickstart_plan)\\.sh$" EXCLUDE)
# Made by the target manual (src/tools/CMakeLists.txt), which a build of the programs alone leaves out.
install(DIRECTORY ${PROJECT_BINARY_DIR}/share/man/ DESTINATION ${CMAKE_INSTALL_MANDIR} OPTIONAL)
install(DIRECTORY ${PROJECT_BINARY_DIR}/share/bash-completion ${PROJECT_BINARY_DIR}/share/zsh ${PROJECT_BINARY_DIR}/share/fish
        DESTINATION ${CMAKE_INSTALL_DATADIR} OPTIONAL)
install(FILES ${PROJECT_SOURCE_DIR}/src/manual/options.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
