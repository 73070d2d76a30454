# The kernels of avx2_vnni with the encoding of AVX-512, for processors that have that one alone: so
# these kernels are tested where AVX-VNNI is missing.
add_library(r1_other_encoding STATIC tests/support/other_encoding/open.cpp)
target_link_libraries(r1_other_encoding PUBLIC r1_kernels)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  r1_isa_objects(avx2_evex avx2_vnni ${R1_AVX2} -DR1_VNNI_ENCODING="evex")
  target_sources(r1_other_encoding PRIVATE $<TARGET_OBJECTS:r1_kernels_avx2_evex>)
  target_compile_definitions(r1_other_encoding PRIVATE R1_HAS_avx2_evex=1)
endif()
