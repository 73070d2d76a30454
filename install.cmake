# What `cmake --install` puts where, and the package that find_package(r1) finds.
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/r1)

set_target_properties(r1_tasks PROPERTIES EXPORT_NAME r1)
set_target_properties(r1 PROPERTIES EXPORT_NAME inside OUTPUT_NAME r1_inside)
install(TARGETS r1_tasks r1 r1_kernels r1_core r1_flags EXPORT r1-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT r1-targets NAMESPACE r1:: DESTINATION ${package})
configure_package_config_file(cmake/r1-config.cmake.in r1-config.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(r1-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/r1-config.cmake ${CMAKE_BINARY_DIR}/r1-config-version.cmake
  DESTINATION ${package})

install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES lib/r1.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/r1)
install(TARGETS ${R1_TOOLS} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES share/pretokenizers.json DESTINATION ${CMAKE_INSTALL_DATADIR}/r1)
install(DIRECTORY models/ DESTINATION ${CMAKE_INSTALL_DATADIR}/r1/models
  FILES_MATCHING PATTERN *.gguf PATTERN *.json PATTERN *.md PATTERN README.md EXCLUDE)
install(DIRECTORY man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN *.1)
install(DIRECTORY man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man5 FILES_MATCHING PATTERN *.5)
install(DIRECTORY man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man7 FILES_MATCHING PATTERN *.7)
foreach(tool IN LISTS R1_TOOLS)
  install(FILES completions/${tool}.bash RENAME ${tool}
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES completions/_${tool} DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES completions/${tool}.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endforeach()
