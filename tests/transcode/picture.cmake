file(GLOB TRANSCODE_PICTURE_TESTS CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/picture_*.cpp)
headgate_test(transcode_picture_test SOURCES ${TRANSCODE_PICTURE_TESTS} DEPS headgate::transcode_picture)
