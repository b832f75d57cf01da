# `cmake --install BUILD --component client --prefix P` gives other projects
#   find_package(specula CONFIG)  →  specula::client
# The archives, the headers, the generated code of the contract and the contract itself.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(SPECULA_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/specula)

# specula_export(TARGETS…): installs them as specula::NAME, without the prefix of their names here.
function(specula_export)
  foreach(target ${ARGN})
    string(REGEX REPLACE "^specula_" "" name ${target})
    set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
    target_compile_features(${target} INTERFACE cxx_std_20)
  endforeach()
  install(TARGETS ${ARGN} EXPORT specula
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT client
          INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endfunction()

# Headers are installed below one folder of our name, so that "lib/base/…" never meets a folder of
# another project:  clients/cpp/X.h → specula/client/X.h,  lib/R/X.h → specula/R/X.h
function(specula_install_headers from to)
  foreach(header ${ARGN})
    set(source ${PROJECT_SOURCE_DIR}/${from}/${header})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
    file(READ ${source} text)
    string(REPLACE "#include \"clients/cpp/" "#include \"specula/client/" text "${text}")
    string(REPLACE "#include \"lib/" "#include \"specula/" text "${text}")
    set(copy ${PROJECT_BINARY_DIR}/include/specula/${to}/${header})
    file(CONFIGURE OUTPUT ${copy} CONTENT "${text}" @ONLY)
    install(FILES ${copy} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/specula/${to} COMPONENT client)
  endforeach()
endfunction()

# After the targets are there.
function(specula_install_client)
  specula_install_headers(clients/cpp client
    agent_client.h answer.h call_status.h channel.h credentials.h exec_call.h outcome.h signal_name.h
    stream_call.h tail_call.h watch_call.h)
  specula_install_headers(lib/base base host_port.h)
  specula_install_headers(lib/rpc rpc callback_threads.h certificate.h identity.h on_behalf.h tls_policy.h)
  install(EXPORT specula NAMESPACE specula:: FILE specula-targets.cmake
          DESTINATION ${SPECULA_PACKAGE_DIR} COMPONENT client)
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/specula-config.cmake.in
    ${PROJECT_BINARY_DIR}/specula-config.cmake INSTALL_DESTINATION ${SPECULA_PACKAGE_DIR})
  # Before 1.0 a minor version may change the C++ interface.
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/specula-config-version.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/specula-config.cmake ${PROJECT_BINARY_DIR}/specula-config-version.cmake
          DESTINATION ${SPECULA_PACKAGE_DIR} COMPONENT client)
endfunction()
