# `cmake --install`: programs, manual pages, documents. `make uninstall` removes the same list.
include(GNUInstallDirs)
set(RK_DOCDIR ${CMAKE_INSTALL_DATAROOTDIR}/doc/rootlesskit)

if(TARGET rootlesskit)
  install(TARGETS rootlesskit RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(FILES man/rootlesskit.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES LICENSE README.md CHANGELOG.md SECURITY.md docs/COMPAT.md DESTINATION ${RK_DOCDIR})
