# Read by ctest when it starts: makes a test "<name>.<Suite>.<Test>" of every test of a GoogleTest program or,
# `by_suite`, "<name>.<Suite>" of every suite.
#
# CMake's own gtest_discover_tests() calls a test skipped when "[  SKIPPED ]" is anywhere in what it says. GoogleTest says
# that of the tests of a suite whose set-up failed as well, but then ends with the failure.
function(sluice_add_tests name program by_suite properties)
  if(NOT EXISTS ${program})
    add_test(${name}_NOT_BUILT ${name}_NOT_BUILT)
    set_tests_properties(${name}_NOT_BUILT PROPERTIES ${properties})
    return()
  endif()
  execute_process(COMMAND ${program} --gtest_list_tests OUTPUT_VARIABLE listed COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX REPLACE "  # [^\n]*" "" listed "${listed}")  # values of parameters
  string(REPLACE "\n" ";" lines "${listed}")
  foreach(line ${lines})
    if(line MATCHES "^[^ ].*[.]$")
      set(suite ${line})
      if(by_suite)
        string(REGEX REPLACE "[.]$" "" test ${name}.${suite})
        add_test(${test} ${program} --gtest_filter=${suite}*)
        set_tests_properties(${test} PROPERTIES ${properties})
      endif()
    elseif(line MATCHES "^  (.+)$" AND NOT by_suite)
      set(test ${suite}${CMAKE_MATCH_1})
      add_test(${name}.${test} ${program} --gtest_filter=${test})
      set_tests_properties(${name}.${test} PROPERTIES ${properties} SKIP_REGULAR_EXPRESSION "  SKIPPED . [^\n]*\n*$")
    endif()
  endforeach()
endfunction()
