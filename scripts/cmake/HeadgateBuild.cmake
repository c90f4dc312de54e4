# Compiler settings and the helper functions that every module uses:
#   headgate_library(NAME SOURCES ... [DEPS ...] [PRIVATE_DEPS ...])   a static library, headgate::NAME
#   headgate_program(NAME SOURCES ... DEPS ...)                       bin/NAME; scripts/package installs it
#   headgate_test(NAME SOURCES ... DEPS ...)                          a GoogleTest binary, registered with ctest
#   headgate_test_program(NAME SOURCES ... DEPS ...)                  bin/NAME, that tests and benches start; never installed
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

option(HEADGATE_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(HEADGATE_TSAN "Build with ThreadSanitizer" OFF)
option(HEADGATE_FUZZ "Build the libFuzzer targets (needs clang)" OFF)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(headgate_options INTERFACE)
target_include_directories(headgate_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(headgate_options INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # At -O3 g++ 12 reports overlaps and overflows inside std::string and std::vector that can't happen (GCC bugs 105651,
  # 105329, 107852). clang-tidy and the sanitizers look after what these warnings are for.
  target_compile_options(headgate_options INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  # libseccomp's macros leave the last field of their structure to its default.
  target_compile_options(headgate_options INTERFACE -Wno-missing-field-initializers)
endif()
# Both presets below compile with clang and without optimizing: g++ 12 takes minutes and 1.7 GB for one source of Boost
# under them.
if(HEADGATE_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
if(HEADGATE_TSAN)
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
endif()
if(HEADGATE_SANITIZE OR HEADGATE_TSAN)
  # Tests that count allocations replace operator new, which clang's runtime defines too: the first one, ours, is taken.
  add_link_options(-Wl,-z,muldefs)
endif()
if(HEADGATE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

# The release preset compiles the folders that say so (`set(CMAKE_UNITY_BUILD ${HEADGATE_UNITY})`) eight sources at a
# time, for reading Boost's and JSON's headers is most of their time. What runs on the hot path is compiled by itself.
option(HEADGATE_UNITY "Compile several sources of control, bridge and their tests at once" OFF)
set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)
if(HEADGATE_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # g++ takes a source that is included for a header, and warns of members with types of its own.
  target_compile_options(headgate_options INTERFACE -Wno-subobject-linkage)
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
include(GoogleTest)
enable_testing()
# What the sanitizer presets build: the unit tests and the replays of tests/fuzz, without benches and tools.
add_custom_target(unit_tests)
add_custom_target(fuzz_tests)

function(headgate_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  if(NOT ARG_SOURCES)
    message(FATAL_ERROR "headgate_library(${name}): no sources")
  endif()
  add_library(headgate_${name} STATIC ${ARG_SOURCES})
  add_library(headgate::${name} ALIAS headgate_${name})
  target_link_libraries(headgate_${name} PUBLIC ${ARG_DEPS} PRIVATE headgate_options ${ARG_PRIVATE_DEPS})
  target_include_directories(headgate_${name} PUBLIC ${CMAKE_SOURCE_DIR})
endfunction()

function(headgate_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE headgate_options ${ARG_DEPS})
endfunction()

# What is tested is compiled as it ships; the tests themselves need not be fast.
function(headgate_test_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE headgate_options ${ARG_DEPS})
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

function(headgate_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  headgate_test_program(${name} SOURCES ${ARG_SOURCES} DEPS ${ARG_DEPS} GTest::gtest GTest::gmock GTest::gtest_main)
  add_dependencies(unit_tests ${name})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 900)
endfunction()
