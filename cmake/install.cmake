# `cmake --install`: programs, manual pages, documents. `make uninstall` removes the same list.
include(GNUInstallDirs)
set(RK_DOCDIR ${CMAKE_INSTALL_DATAROOTDIR}/doc/rootlesskit)

install(TARGETS rootlesskit rootlessctl rootlesskit-docker-proxy
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES man/rootlesskit.1 man/rootlessctl.1 man/rootlesskit-docker-proxy.1
  DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(DIRECTORY completions/bash/
  DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/bash-completion/completions)
install(DIRECTORY completions/zsh/ DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/zsh/site-functions)
install(DIRECTORY completions/fish/
  DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/fish/vendor_completions.d)
install(FILES LICENSE README.md CHANGELOG.md SECURITY.md docs/COMPAT.md api/openapi.yaml
  DESTINATION ${RK_DOCDIR})
