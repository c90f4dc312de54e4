#include "control/protocol/endpoint.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace headgate::protocol {
namespace {

class EndpointTest : public testing::Test {
 protected:
  EndpointTest() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    char name[] = "/tmp/hg-endpoint-XXXXXX";
    folder_ = ::mkdtemp(name);
    endpoint_ = std::move(*Endpoint::open(folder_ + "/s", epoll_, [this](const std::string& line) {
      lines_.push_back(line);
      return "answer";
    }));
    client_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (folder_ + "/s").copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(client_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    turn();
  }
  ~EndpointTest() override {
    ::close(client_);
    endpoint_.reset();
    ::close(epoll_);
    std::filesystem::remove_all(folder_);
  }

  void turn() {
    epoll_event event{};
    while (::epoll_wait(epoll_, &event, 1, 0) == 1) endpoint_->on_event(event.data.fd, event.events);
  }
  // In as many pieces as the socket's buffer wants. False: the endpoint closed the connection.
  bool send(const std::string& bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = ::send(client_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) return false;
      if (n > 0) done += static_cast<std::size_t>(n);
      turn();
    }
    return true;
  }
  bool closed() {
    char byte = 0;
    const ssize_t n = ::recv(client_, &byte, 1, 0);
    return n == 0 || (n < 0 && errno != EAGAIN);
  }

  int epoll_;
  int client_ = -1;
  std::string folder_;
  std::vector<std::string> lines_;
  std::unique_ptr<Endpoint> endpoint_;
};

TEST_F(EndpointTest, PutsLinesTogetherHoweverTheyArrive) {
  for (const char* part : {"o", "ne\ntw", "o\n\nthree", "\n"}) ASSERT_TRUE(send(part));
  EXPECT_EQ(lines_, (std::vector<std::string>{"one", "two", "", "three"}));
}

TEST_F(EndpointTest, ALineWithoutEndIsCutOffAt64KiB) {
  const std::string part(16 * 1024, 'x');
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(send(part));
  EXPECT_FALSE(closed());
  send(part);
  EXPECT_TRUE(closed());
  EXPECT_TRUE(lines_.empty());
}

}  // namespace
}  // namespace headgate::protocol
