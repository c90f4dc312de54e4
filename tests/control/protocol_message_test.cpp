#include "control/protocol/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>

namespace headgate::protocol {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using testing::HasSubstr;

// A peer that accepts one connection, reads a line and answers with `answer` (nothing: closes).
class Peer {
 public:
  explicit Peer(std::string answer, bool hang = false) {
    char name[] = "/tmp/hg-protocol-XXXXXX";
    dir_ = ::mkdtemp(name);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path().c_str());
    listener_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    thread_ = std::thread([this, answer = std::move(answer), hang] {
      const int fd = ::accept(listener_, nullptr, nullptr);
      char byte = 0;
      while (::read(fd, &byte, 1) == 1 && byte != '\n') received_ += byte;
      std::size_t done = 0;
      while (done < answer.size()) {
        const ssize_t n = ::send(fd, answer.data() + done, answer.size() - done, MSG_NOSIGNAL);
        if (n <= 0) break;
        done += static_cast<std::size_t>(n);
      }
      if (hang) (void)!::read(fd, &byte, 1);  // until the caller gives up
      ::close(fd);
    });
  }
  ~Peer() {
    if (thread_.joinable()) thread_.join();
    ::close(listener_);
    std::filesystem::remove_all(dir_);
  }
  std::string path() const { return dir_ + "/s"; }
  const std::string& received() {
    thread_.join();
    return received_;
  }

 private:
  std::string dir_;
  int listener_ = -1;
  std::string received_;
  std::thread thread_;
};

TEST(Message, RequestSurvivesItsLine) {
  const std::string line = format_request({7, "apply", {{"a", "line\nbreak"}}});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto request = parse_request(line);
  ASSERT_TRUE(request) << request.error();
  EXPECT_EQ(request->id, 7U);
  EXPECT_EQ(request->method, "apply");
  EXPECT_EQ(request->params, (json{{"a", "line\nbreak"}}));
}

TEST(Message, ParamsMayBeAbsent) {
  EXPECT_EQ(parse_request(R"({"v":1,"id":1,"method":"hello"})")->params, json::object());
}

TEST(Message, BadRequestsAreRefusedByMember) {
  const std::pair<std::string, const char*> cases[] = {
      {R"({"id":1,"method":"x"})", "v: missing"},
      {R"({"v":2,"id":1,"method":"x"})", "v: protocol version is 2"},
      {R"({"v":1,"method":"x"})", "id: missing"},
      {R"({"v":1,"id":1})", "method: missing"},
      {R"({"v":1,"id":1,"method":7})", "method: must be a string"},
      {R"({"v":1,"id":1,"method":"x","params":[]})", "params: must be an object"},
      {R"({"v":1,"id":1,"method":"x","more":1})", "more: unknown member"},
      {"[]", "must be an object"},
      {"nonsense", "not JSON"},
      {std::string(100000, '['), "nested deeper"},
      {std::string(kMaxLine + 1, ' '), "longer than"},
  };
  for (const auto& [line, error] : cases) {
    const auto request = parse_request(line);
    ASSERT_FALSE(request) << line.substr(0, 80);
    EXPECT_THAT(request.error(), HasSubstr(error));
  }
}

TEST(Message, BracketsInTextsAreNoNesting) {
  const std::string brackets(100, '[');
  const auto request =
      parse_request(R"({"v":1,"id":1,"method":"x","params":{"a":"\"{)" + brackets + R"(\\","b":[]}})");
  ASSERT_TRUE(request) << request.error();
  EXPECT_EQ(request->params["a"], "\"{" + brackets + "\\");
  // Behind a text that ends in a backslash nesting counts again.
  const auto deep = parse_request(R"({"v":1,"id":1,"method":"x","params":{"a":"\\","b":)" + brackets + "}}");
  ASSERT_FALSE(deep);
  EXPECT_THAT(deep.error(), HasSubstr("nested deeper"));
}

TEST(Message, CallReturnsThePeersResult) {
  Peer peer(format_result(1, {{"generation", 12}}) + "\n");
  const auto answer = call(peer.path(), "apply", {{"x", 1}}, milliseconds(5000));
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ(*answer, (json{{"generation", 12}}));
  EXPECT_EQ(parse_request(peer.received())->method, "apply");
}

TEST(Message, CallTakesAnAnswerOfManyReads) {
  const std::string big(3'000'000, 'x');
  Peer peer(format_result(1, big) + "\n");
  const auto answer = call(peer.path(), "status", json::object(), milliseconds(20000));
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ(*answer, big);
}

TEST(Message, CallReturnsThePeersErrorMessage) {
  Peer peer(format_error(1, "no such device") + "\n");
  EXPECT_EQ(call(peer.path(), "apply", json::object(), milliseconds(5000)).error(), "no such device");
}

TEST(Message, CallRefusesTheAnswerToAnotherRequest) {
  Peer peer(format_result(2, json::object()) + "\n");
  EXPECT_THAT(call(peer.path(), "apply", {}, milliseconds(5000)).error(),
              HasSubstr("id: is that of another"));
}

TEST(Message, CallReportsAPeerThatClosesWithoutAnAnswer) {
  Peer peer("");
  EXPECT_THAT(call(peer.path(), "hello", {}, milliseconds(5000)).error(), HasSubstr("closed the connection"));
}

TEST(Message, CallGivesUpAtItsTimeout) {
  Peer peer("{", true);
  EXPECT_THAT(call(peer.path(), "hello", {}, milliseconds(50)).error(), HasSubstr("no answer from"));
}

TEST(Message, CallReportsAnAbsentPeer) {
  EXPECT_THAT(call("/nonexistent/s", "hello", {}, milliseconds(50)).error(),
              HasSubstr("can't connect to /nonexistent/s: No such file"));
  EXPECT_THAT(call(std::string(200, 'x'), "hello", {}, milliseconds(50)).error(),
              HasSubstr("shorter run_dir"));
}

}  // namespace
}  // namespace headgate::protocol
