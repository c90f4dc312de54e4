file(GLOB TRANSCODE_LADDER_TESTS CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/ladder_*.cpp)
headgate_test(transcode_ladder_test SOURCES ${TRANSCODE_LADDER_TESTS} picture_support.cpp DEPS headgate::transcode_ladder headgate::transcode)
