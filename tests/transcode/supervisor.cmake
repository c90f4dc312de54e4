# The supervisor with workers that do what the test tells them: crash, hang, spin, try what they may not.
headgate_test_program(fake_transcode SOURCES fake_transcode.cpp DEPS headgate::transcode headgate::log)

if(HEADGATE_SANITIZE)
  target_compile_options(fake_transcode PRIVATE -fno-sanitize=vptr)  # dataplane/transcode/CMakeLists.txt
endif()

headgate_test(transcode_test SOURCES strikes_test.cpp supervisor_test.cpp pictures_test.cpp DEPS headgate::transcode)
add_dependencies(transcode_test fake_transcode)
target_compile_definitions(transcode_test PRIVATE FAKE_TRANSCODE="$<TARGET_FILE:fake_transcode>")

headgate_test_program(zygote_bench SOURCES zygote_bench.cpp
  DEPS headgate::job headgate::ring headgate::protocol fmt::fmt GTest::gtest GTest::gmock)
target_compile_definitions(zygote_bench PRIVATE FAKE_TRANSCODE="$<TARGET_FILE:fake_transcode>")

# The real workers in their sandbox.
headgate_test(transcode_shut_in_test SOURCES shut_in_test.cpp memory_test.cpp picture_support.cpp
  DEPS headgate::transcode_picture headgate::job headgate::ring headgate::protocol)
add_dependencies(transcode_shut_in_test headgate-transcode)
target_compile_definitions(transcode_shut_in_test PRIVATE FAKE_TRANSCODE="$<TARGET_FILE:headgate-transcode>")
