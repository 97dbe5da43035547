# Rooms: one static library per folder of src/, with the include direction enforced by the compiler.
#
# A room's headers are included as "<room>/<noun>.h". They are reachable only through a directory of links,
# build/rooms/<room>/<room> -> src/<room>, that is on the include path of the room itself and of the rooms
# that list it. A room that a target does not list cannot be included from it: the file is not found.

add_library(sluice_options INTERFACE)
# Warnings are errors for the compiler that Sluice is built with. Clang, which serves the fuzzers and clang-tidy,
# warns about other things: those stay warnings.
target_compile_options(sluice_options INTERFACE -Wall -Wextra -Wconversion -Wshadow $<$<CXX_COMPILER_ID:GNU>:-Werror>)
# GCC 12 at -O3 sees overflows in fmt and std::string that are not there; the sanitizers
# look for the real ones.
target_compile_options(sluice_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow -Wno-restrict>)
if(SLUICE_SANITIZE)
  target_compile_options(sluice_options INTERFACE -fsanitize=${SLUICE_SANITIZE} -fno-omit-frame-pointer
                                                  -fno-sanitize-recover=all)
  # AddressSanitizer stops at null pointers and outside of objects too; checking twice took a tenth of every build.
  target_compile_options(sluice_options INTERFACE -fno-sanitize=null,object-size,vptr)
  target_link_options(sluice_options INTERFACE -fsanitize=${SLUICE_SANITIZE})
  # A sanitizer's checks hide from GCC what is initialised; the plain builds keep the warning.
  target_compile_options(sluice_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()
if(SLUICE_FUZZ)
  target_compile_options(sluice_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# With CMAKE_UNITY_BUILD sources are compiled some at a time, for GCC reads the headers of each for seconds and compiles what
# they define anew: rooms take less than half the time. (A precompiled header saved little: to load its 157 MB took a source
# of a test 3 s.) All builds that ./dev test makes do so. In `release`, which is compiled again after every change, a
# room's groups are small. That each source includes what it uses the build `debug` proves, and ./dev lint with it.
# Names in anonymous namespaces differ within a room for this, and within its tests.
add_library(sluice_grouped INTERFACE)
# A local name may be one of another file's; builds of single sources keep the warnings.
target_compile_options(sluice_grouped INTERFACE -Wno-shadow $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
function(sluice_group_sources target most)
  set_target_properties(${target} PROPERTIES UNITY_BUILD_BATCH_SIZE ${most})
  target_link_libraries(${target} PRIVATE $<$<BOOL:${CMAKE_UNITY_BUILD}>:sluice_grouped>)
endfunction()

# sluice_room(<room> SOURCES <file>... [PUBLIC <target>...] [PRIVATE <target>...])
#   PUBLIC   what the room's headers need; whoever lists the room may include it too
#   PRIVATE  what only its sources need
# Rooms are listed by target name: sluice_base, sluice_kernels, ...
function(sluice_room room)
  cmake_parse_arguments(ROOM "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  set(view ${PROJECT_BINARY_DIR}/rooms/${room})
  file(MAKE_DIRECTORY ${view})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${view}/${room} SYMBOLIC)
  add_library(sluice_${room} STATIC ${ROOM_SOURCES})
  target_include_directories(sluice_${room} PUBLIC ${view})
  target_link_libraries(sluice_${room} PUBLIC ${ROOM_PUBLIC} PRIVATE ${ROOM_PRIVATE} sluice_options)
  set(most 8)
  if(SLUICE_SANITIZE)
    set(most 16)
  endif()
  sluice_group_sources(sluice_${room} ${most})
endfunction()

# sluice_test(<name> SOURCES <file>... LINK <target>... [COST <number>])
# One GoogleTest program; every test in it becomes a CTest test, named "<name>.<Suite>.<Test>" and labelled with
# the folder that declares it (`ctest -L storage`). Under sanitizers every suite becomes one, "<name>.<Suite>".
#   COST  tests of a higher one start earlier: long ones at the end would leave cores idle
function(sluice_test name)
  if(NOT SLUICE_TESTS)
    return()
  endif()
  cmake_parse_arguments(TEST "" "COST" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${TEST_SOURCES})
  # Compiled more often than run. At -Og GCC 12 takes std::stop_source's constructor for a use of itself.
  target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-Og>
                                         $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_libraries(${name} PRIVATE ${TEST_LINK} GTest::gtest GTest::gmock GTest::gtest_main sluice_options)
  target_compile_definitions(${name} PRIVATE SLUICE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  sluice_group_sources(${name} 16)
  cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME folder)
  set(properties TIMEOUT 900 LABELS ${folder} COST 0${TEST_COST})
  sluice_discover_tests(${name} "${properties}")
endfunction()

# Makes tests of a program when ctest starts. Under sanitizers a suite's tests share what they set up (whole models), and a
# program, which takes 0.2 s to start there, starts once for all of them; that tests pass alone as well, and in which one
# something went wrong, `release` shows.
function(sluice_discover_tests name properties)
  set(by_suite OFF)
  if(SLUICE_SANITIZE)
    set(by_suite ON)
  endif()
  file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}_tests.cmake CONTENT
    "include([==[${PROJECT_SOURCE_DIR}/cmake/AddTests.cmake]==])\nsluice_add_tests(${name} [==[$<TARGET_FILE:${name}>]==] ${by_suite} \"${properties}\")\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}_tests.cmake)
endfunction()

# sluice_fuzzer(<name> SOURCES <file>... LINK <target>...)
# A file with LLVMFuzzerTestOneInput, built as fuzz_<name>. With SLUICE_FUZZ it is a libFuzzer program, and the target
# `fuzzers` builds them all; otherwise it is linked with a main that replays tests/fuzz/corpus/<name>/*, and that
# replay is a CTest test.
add_custom_target(fuzzers)
function(sluice_fuzzer name)
  if(NOT SLUICE_TESTS AND NOT SLUICE_FUZZ)
    return()
  endif()
  cmake_parse_arguments(FUZZ "" "" "SOURCES;LINK" ${ARGN})
  add_executable(fuzz_${name} ${FUZZ_SOURCES})
  target_link_libraries(fuzz_${name} PRIVATE ${FUZZ_LINK} sluice_options)
  target_compile_definitions(fuzz_${name} PRIVATE SLUICE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_dependencies(fuzzers fuzz_${name})
  if(SLUICE_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME fuzz_corpus.${name}
             COMMAND fuzz_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
    set_tests_properties(fuzz_corpus.${name} PROPERTIES TIMEOUT 300 LABELS fuzz)
  endif()
endfunction()

# sluice_bench(<name> SOURCES <file>... LINK <target>...)
# One Google Benchmark program, bench_<name>; the target `benches` builds them all.
add_custom_target(benches)
function(sluice_bench name)
  cmake_parse_arguments(BENCH "" "" "SOURCES;LINK" ${ARGN})
  add_executable(bench_${name} ${BENCH_SOURCES})
  target_link_libraries(bench_${name} PRIVATE ${BENCH_LINK} benchmark::benchmark_main sluice_options)
  target_compile_definitions(bench_${name} PRIVATE SLUICE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_dependencies(benches bench_${name})
endfunction()
