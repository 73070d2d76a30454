# One file a tool; tools/common is shared by all of them.
execute_process(COMMAND git -C ${CMAKE_CURRENT_SOURCE_DIR} rev-parse --short=8 HEAD
  OUTPUT_VARIABLE R1_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT R1_COMMIT)
  set(R1_COMMIT unknown)
endif()

add_library(r1_tools STATIC)
r1_sources(r1_tools tools/common tools/complete)
target_link_libraries(r1_tools PUBLIC r1_tasks)
set_source_files_properties(tools/common/program.cpp PROPERTIES COMPILE_DEFINITIONS
  "R1_VERSION=\"${PROJECT_VERSION}\";R1_COMMIT=\"${R1_COMMIT}\";R1_CPU_LEVELS=\"baseline,avx2,avx512\"")

# The prose of the man page travels in the tool, so that --generate man needs no file.
file(READ man/r1-complete.1.in MANUAL)
configure_file(tools/complete/manual.h.in ${CMAKE_BINARY_DIR}/generated/tools/complete/manual.h @ONLY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS man/r1-complete.1.in)

add_executable(r1-complete tools/r1_complete.cpp)
target_link_libraries(r1-complete PRIVATE r1_tools)
target_include_directories(r1-complete PRIVATE ${CMAKE_BINARY_DIR}/generated)
set_target_properties(r1-complete PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
