# The version of a build:
#   cmake -DSOURCE_DIR=… -DBASE=X.Y.Z -DOUTPUT_DIR=… [-DFIXED=V] -P Version.cmake
# writes OUTPUT_DIR/version.cc (lib/base/version.h) and OUTPUT_DIR/version.txt, and touches neither while
# the version stays as it is; and OUTPUT_DIR/source_date.txt, the time of the last commit in seconds since
# 1970, or nothing, for packages (SOURCE_DATE_EPOCH). It runs with each build, because a commit, a tag or a change of a file makes
# another version and nothing that CMake looks at tells so.
#
#   FIXED           whatever the sources say
#   git             tag vX.Y.Z → X.Y.Z; N commits later X.Y.Z+N.gSHA; without a tag BASE+N.gSHA, N of all
#                   commits; with changes that are not committed .dirty behind it
#   git archive     the same, written into git_archive.txt by git itself
#   neither         BASE
# All of them are versions to semver.org as well as to dpkg, and are ordered there as they are in time.
cmake_minimum_required(VERSION 3.25)

# What `git describe --long` says, as a version.
function(specula_version_of described out)
  if(described MATCHES "^v?([0-9][0-9A-Za-z.~]*)-([0-9]+)-g([0-9a-f]+)$")
    set(version "${CMAKE_MATCH_1}")
    if(CMAKE_MATCH_2 GREATER 0)
      string(APPEND version "+${CMAKE_MATCH_2}.g${CMAKE_MATCH_3}")
    endif()
  elseif(described MATCHES "^v?([0-9]+[.][0-9A-Za-z.~]*)$")
    set(version "${CMAKE_MATCH_1}")
  else()
    set(version "")
  endif()
  set(${out} "${version}" PARENT_SCOPE)
endfunction()

function(specula_git out)
  execute_process(COMMAND git --no-optional-locks ${ARGN} WORKING_DIRECTORY ${SOURCE_DIR}
                  OUTPUT_VARIABLE said ERROR_QUIET RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(failed)
    set(said "")
  endif()
  set(${out} "${said}" PARENT_SCOPE)
endfunction()

function(specula_version_from_git out)
  specula_git(described describe --tags --long --match "v[0-9]*")
  specula_version_of("${described}" version)
  if(NOT version)
    specula_git(count rev-list --count HEAD)
    specula_git(commit rev-parse --short HEAD)
    if(commit)
      set(version "${BASE}+${count}.g${commit}")
    endif()
  endif()
  if(version)
    specula_git(changed status --porcelain --untracked-files=no)
    if(changed AND version MATCHES "[+]")
      string(APPEND version ".dirty")
    elseif(changed)
      string(APPEND version "+dirty")
    endif()
  endif()
  set(${out} "${version}" PARENT_SCOPE)
endfunction()

function(specula_version_from_archive out)
  # Not by REGEX REPLACE, which tries ^ again behind what it replaced, and so eats the letters a SHA begins with.
  file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/git_archive.txt lines)
  foreach(word IN ITEMS describe commit)
    set(${word} "")
    foreach(line IN LISTS lines)
      if(line MATCHES "^${word} +(.*)$")
        set(${word} "${CMAKE_MATCH_1}")
      endif()
    endforeach()
  endforeach()
  set(version "")
  if(NOT commit MATCHES "Format")  # git archive was here
    specula_version_of("${describe}" version)
    if(NOT version)
      set(version "${BASE}+g${commit}")
    endif()
  endif()
  set(${out} "${version}" PARENT_SCOPE)
endfunction()

set(version "${FIXED}")
# A .git above the sources may be another project's.
if(NOT version AND EXISTS ${SOURCE_DIR}/.git)
  specula_version_from_git(version)
endif()
if(NOT version)
  specula_version_from_archive(version)
endif()
if(NOT version)
  set(version "${BASE}")
endif()
set(date "")
if(EXISTS ${SOURCE_DIR}/.git)
  specula_git(date log -1 --format=%ct)
else()
  file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/git_archive.txt date REGEX "^date [0-9]+$")
  string(REPLACE "date " "" date "${date}")
endif()
if(NOT version MATCHES "^[0-9][0-9A-Za-z.+~]*$")
  message(FATAL_ERROR "'${version}' cannot be a version: it has to begin with a digit and hold letters, digits and .+~ only")
endif()
file(CONFIGURE OUTPUT ${OUTPUT_DIR}/version.txt CONTENT "${version}\n" @ONLY)
file(CONFIGURE OUTPUT ${OUTPUT_DIR}/source_date.txt CONTENT "${date}\n" @ONLY)
file(CONFIGURE OUTPUT ${OUTPUT_DIR}/version.cc @ONLY CONTENT
"// Written by cmake/Version.cmake.
#include \"lib/base/version.h\"

namespace specula {

const char kVersion[] = \"${version}\";

}  // namespace specula
")
