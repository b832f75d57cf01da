# `cmake --workflow --preset package` (or `cpack` in a build of preset release) makes in BUILD/packages
#   specula-agent, specula-shim and specula as .deb, and all of them as one plain tar.gz.
# Version and time are those of the sources, so that the same sources give the same bytes.
include(GNUInstallDirs)
set(SPECULA_MAINTAINER "The Specula authors <specula@packages.invalid>" CACHE STRING "Who answers for the packages")

set(deploy ${PROJECT_SOURCE_DIR}/deploy)
set(etc ${CMAKE_INSTALL_SYSCONFDIR})
install(FILES ${deploy}/systemd/specula-agent.service DESTINATION lib/systemd/system COMPONENT agent)
install(FILES ${deploy}/systemd/specula.sysusers DESTINATION lib/sysusers.d RENAME specula.conf COMPONENT agent)
install(FILES ${deploy}/systemd/specula.tmpfiles DESTINATION lib/tmpfiles.d RENAME specula.conf COMPONENT agent)
install(FILES ${deploy}/package/agent/agent.toml DESTINATION ${etc}/specula COMPONENT agent)
install(FILES ${deploy}/package/agent/logrotate DESTINATION ${etc}/logrotate.d RENAME specula-agent COMPONENT agent)
install(FILES ${deploy}/systemd/specula-shim.service DESTINATION lib/systemd/system COMPONENT shim)
install(FILES ${deploy}/package/shim/shim.toml DESTINATION ${etc}/specula COMPONENT shim)

set(CPACK_COMPONENTS_ALL agent shim ctl)
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_NAME specula)
set(CPACK_PACKAGE_CONTACT "${SPECULA_MAINTAINER}")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
# What is only known when packages are made.
set(CPACK_SPECULA_BINARY_DIR ${PROJECT_BINARY_DIR})
set(CPACK_SPECULA_DEPLOY_DIR ${deploy})
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/PackageConfig.cmake)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/PackageStage.cmake)

set(CPACK_DEB_COMPONENT_INSTALL ON)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64)
else()
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE amd64)
endif()
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(component agent shim)
  string(TOUPPER ${component} COMPONENT)
  set(CPACK_DEBIAN_${COMPONENT}_PACKAGE_NAME specula-${component})
  set(CPACK_DEBIAN_${COMPONENT}_PACKAGE_SECTION net)
  foreach(file conffiles postinst prerm postrm)
    list(APPEND CPACK_DEBIAN_${COMPONENT}_PACKAGE_CONTROL_EXTRA ${deploy}/package/${component}/${file})
  endforeach()
endforeach()
set(CPACK_DEBIAN_CTL_PACKAGE_NAME specula)
set(CPACK_DEBIAN_CTL_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_AGENT_PACKAGE_SECTION admin)
# Makes the user specula where systemd does not.
set(CPACK_DEBIAN_AGENT_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_AGENT_PACKAGE_RECOMMENDS "logrotate")
set(CPACK_DEBIAN_AGENT_PACKAGE_SUGGESTS "specula")
set(CPACK_DEBIAN_SHIM_PACKAGE_RECOMMENDS "systemd")
set(CPACK_DEBIAN_SHIM_PACKAGE_SUGGESTS "specula, specula-agent")
set(CPACK_DEBIAN_CTL_PACKAGE_SUGGESTS "bash-completion, specula-agent")
set(CPACK_COMPONENT_AGENT_DESCRIPTION "agent of Specula, on each host of a fleet
It answers over gRPC with mutual TLS how busy the host is, runs, starts and
ends what operators ask for, and follows files, all within a ceiling that the
host itself sets. A hash-chained audit log says who did what.
.
It is one static program. It is started once it has certificates:
see /etc/specula/agent.toml.")
set(CPACK_COMPONENT_SHIM_DESCRIPTION "older framed-TCP protocol in front of a Specula agent
It lets controllers, and nc, that know only length-prefixed text ask an agent
of Specula. It holds a certificate of its own and no power beyond it.
.
It is one static program. It is started once it has its certificate and tokens:
see /etc/specula/shim.toml.")
set(CPACK_COMPONENT_CTL_DESCRIPTION "asks and commands a fleet of Linux hosts, from a terminal
It asks one host or thousands at once by their agents (package specula-agent)
how busy they are, runs and starts programs there, follows files, and shows the
fleet as a live table; with a typed outcome for each host. It makes the
certificates, too.
.
It is one static program.")
include(CPack)
