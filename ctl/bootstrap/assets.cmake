# Builds files of the tree into the controller: specula_bootstrap_assets(OUTPUT) makes the source.
function(specula_bootstrap_assets output)
  set(files
    SPECULA_REMOTE_SCRIPT ctl/bootstrap/remote.sh
    SPECULA_AGENT_UNIT deploy/systemd/specula-agent.service
    SPECULA_SYSUSERS deploy/systemd/specula.sysusers
    SPECULA_TMPFILES deploy/systemd/specula.tmpfiles)
  while(files)
    list(POP_FRONT files name path)
    file(READ ${PROJECT_SOURCE_DIR}/${path} ${name})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${path})
  endwhile()
  string(REPLACE /usr/bin/specula-agent /usr/local/bin/specula-agent SPECULA_AGENT_UNIT "${SPECULA_AGENT_UNIT}")
  configure_file(${PROJECT_SOURCE_DIR}/ctl/bootstrap/assets.cc.in ${output} @ONLY)
endfunction()
