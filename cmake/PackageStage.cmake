# Run by cpack between laying the files out and packing them: what a Debian package has besides, and the times.
file(GLOB components LIST_DIRECTORIES true ${CPACK_TEMPORARY_DIRECTORY}/*)
if(CPACK_GENERATOR STREQUAL "DEB")
  foreach(root ${components})
    get_filename_component(component ${root} NAME)
    string(TOUPPER ${component} COMPONENT)
    set(package ${CPACK_DEBIAN_${COMPONENT}_PACKAGE_NAME})
    if(IS_DIRECTORY ${root}/usr/etc)
      file(RENAME ${root}/usr/etc ${root}/etc)
    endif()
    # Debian 12 wants units outside of /usr.
    if(IS_DIRECTORY ${root}/usr/lib/systemd)
      file(MAKE_DIRECTORY ${root}/lib)
      file(RENAME ${root}/usr/lib/systemd ${root}/lib/systemd)
    endif()
    file(GLOB left ${root}/usr/lib/*)
    if(NOT left)
      file(REMOVE_RECURSE ${root}/usr/lib)
    endif()
    set(doc ${root}/usr/share/doc/${package})
    file(COPY ${CPACK_SPECULA_DEPLOY_DIR}/package/copyright DESTINATION ${doc}
         FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
    if(EXISTS ${CPACK_SPECULA_DEPLOY_DIR}/package/${component}/lintian-overrides)
      file(COPY ${CPACK_SPECULA_DEPLOY_DIR}/package/${component}/lintian-overrides
           DESTINATION ${root}/usr/share/lintian/overrides FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
      file(RENAME ${root}/usr/share/lintian/overrides/lintian-overrides ${root}/usr/share/lintian/overrides/${package})
    endif()
    string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
    file(WRITE ${doc}/changelog
"specula (${CPACK_PACKAGE_VERSION}) bookworm; urgency=medium

  * Built of the sources of this version; their history says what changed.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")
    file(GLOB_RECURSE texts ${root}/usr/share/man/*)
    execute_process(COMMAND gzip -9n ${doc}/changelog ${texts} COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
endif()
if(CPACK_GENERATOR STREQUAL "TGZ")
  # There the agent is already. (What is in the archive is listed before this is run, so it cannot be left out.)
  file(GLOB again ${CPACK_TEMPORARY_DIRECTORY}/*/*/lib/specula/agents/*/specula-agent)
  foreach(copy ${again})
    file(REMOVE ${copy})
    file(CREATE_LINK ../../../../bin/specula-agent ${copy} SYMBOLIC)
  endforeach()
endif()
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  execute_process(
    COMMAND find ${CPACK_TEMPORARY_DIRECTORY} -exec touch --no-dereference --date=@$ENV{SOURCE_DATE_EPOCH} {} +
    COMMAND_ERROR_IS_FATAL ANY)
endif()
