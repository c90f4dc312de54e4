file(GLOB TRANSCODE_SOUND_TESTS CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/sound_*.cpp)
headgate_test(transcode_sound_test SOURCES ${TRANSCODE_SOUND_TESTS} DEPS headgate::transcode_sound PkgConfig::FFMPEG PkgConfig::EBUR128)
