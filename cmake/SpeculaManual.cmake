# What is printed by the programs that were just built, so that it says what they say: man pages and
# completions. In a cross build they are run by CMAKE_CROSSCOMPILING_EMULATOR; without one, pages and
# completions of a native build of the same source are taken from SPECULA_MANUAL_DIR (BUILD/manual),
# and if that is empty there are none.
include(GNUInstallDirs)
set(SPECULA_MANUAL_DIR "" CACHE PATH "Man pages and completions that another build of this source has made")

file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/manual)
add_custom_target(manual)

# The page's date is that of the last change, so that two builds of it are the same.
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  string(TIMESTAMP SPECULA_MANUAL_DATE "%Y-%m-%d" UTC)
else()
  execute_process(COMMAND git log -1 --format=%cs WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
                  OUTPUT_VARIABLE SPECULA_MANUAL_DATE OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()

# specula_printed(PROGRAM COMPONENT FILE DESTINATION NAME WORDS…): FILE is what PROGRAM prints for WORDS;
# installed as DESTINATION/NAME.
function(specula_printed program component file destination name)
  if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
    if(NOT SPECULA_MANUAL_DIR)
      message(WARNING "${name}: not made, because ${program} cannot be run here; set SPECULA_MANUAL_DIR")
      return()
    endif()
    set(path ${SPECULA_MANUAL_DIR}/${file})
  else()
    set(path ${PROJECT_BINARY_DIR}/manual/${file})
    # What was printed by halves, by a program that failed, must not be taken for made.
    add_custom_command(OUTPUT ${path}
      COMMAND ${program} ${ARGN} > ${path}.new
      COMMAND ${CMAKE_COMMAND} -E rename ${path}.new ${path}
      DEPENDS ${program} COMMENT "${file}, as ${program} prints it" VERBATIM)
    # A target in the folder of the rule, or nobody would know the rule.
    add_custom_target(manual_${file} ALL DEPENDS ${path})
    add_dependencies(manual manual_${file})
  endif()
  install(FILES ${path} DESTINATION ${destination} RENAME ${name} COMPONENT ${component})
endfunction()

# specula_man_page(PROGRAM SECTION COMPONENT)
function(specula_man_page program section component)
  specula_printed(${program} ${component} ${program}.${section}
    ${CMAKE_INSTALL_MANDIR}/man${section} ${program}.${section} __man ${SPECULA_MANUAL_DATE})
endfunction()

# specula_completions(PROGRAM COMPONENT), where the three shells of Debian look.
function(specula_completions program component)
  foreach(place bash:bash-completion/completions/${program} zsh:zsh/vendor-completions/_${program}
                fish:fish/vendor_completions.d/${program}.fish)
    string(REGEX MATCH "^([^:]+):(.*)/([^/]+)$" match ${place})
    set(shell ${CMAKE_MATCH_1})
    specula_printed(${program} ${component} ${program}.${shell}
      ${CMAKE_INSTALL_DATADIR}/${CMAKE_MATCH_2} ${CMAKE_MATCH_3} completion ${shell})
  endforeach()
endfunction()
