// The sandbox from within: a child enters it and tries what it must not do, and what it must.
#include "dataplane/bridge/app/sandbox.h"

#include <arpa/nameser.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <functional>
#include <thread>

#include "dataplane/bridge/net/resolver.h"

namespace headgate::bridge::app {
namespace {

// What became of a child that entered the sandbox and ran `act`: its exit status, or 1000 + the signal.
int inside(const std::function<int()>& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    set_limits();
    if (!enter_sandbox()) ::_exit(99);
    ::_exit(act());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

// 0 where the call failed with EPERM.
int refused(long result) { return result == -1 && errno == EPERM ? 0 : 1; }

TEST(Sandbox, StartingAProgramKills) {
  EXPECT_EQ(inside([] {
              ::execl("/bin/true", "true", nullptr);
              return 0;
            }),
            1000 + SIGSYS);
}

TEST(Sandbox, TracingKills) {
  EXPECT_EQ(inside([] {
              ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
              return 0;
            }),
            1000 + SIGSYS);
}

TEST(Sandbox, LetsThreadsBeMadeAndConfinesThem) {
  EXPECT_EQ(inside([] {
              int result = 1;
              std::thread([&] { result = refused(::fork()); }).join();
              return result;
            }),
            0);
}

TEST(Sandbox, RefusesMountsPacketsNamespacesAndProcesses) {
  EXPECT_EQ(inside([] { return refused(::mount("none", "/mnt", "tmpfs", 0, nullptr)); }), 0);
  EXPECT_EQ(inside([] { return refused(::unshare(CLONE_NEWUSER)); }), 0);
  EXPECT_EQ(inside([] { return refused(::socket(AF_PACKET, SOCK_RAW, 0)); }), 0);
  EXPECT_EQ(inside([] { return refused(::socket(AF_NETLINK, SOCK_RAW, 0)); }), 0);
  EXPECT_EQ(inside([] { return refused(::socket(AF_UNIX, SOCK_STREAM, 0)); }), 0);
  EXPECT_EQ(inside([] { return refused(::fork()); }), 0);
  EXPECT_EQ(inside([] { return refused(::kill(::getppid(), 0)); }), 0);
  EXPECT_EQ(inside([] { return refused(::setuid(0)); }), 0);
}

// A listening socket of the parent's, and its port.
struct Listener {
  Listener() : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd, 4), 0);
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
  }
  ~Listener() { ::close(fd); }
  int fd;
  std::uint16_t port = 0;
};

TEST(Sandbox, LetsConnectionsBeMade) {
  const Listener listener;
  EXPECT_EQ(inside([&] {
              const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
              sockaddr_in address{};
              address.sin_family = AF_INET;
              address.sin_port = htons(listener.port);
              address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
              return ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
            }),
            0);
}

// By the bridge's own resolver, in the thread that it makes inside.
TEST(Sandbox, LetsNamesBeResolved) {
  EXPECT_EQ(inside([] {
              boost::asio::io_context context;
              const auto work = boost::asio::make_work_guard(context);
              net::Resolver resolver(context);
              int result = 1;
              resolver.resolve("localhost", 80, [&](const auto& endpoints, const std::string& error) {
                result = error.empty() && !endpoints.empty() && endpoints[0].address().is_loopback() &&
                                 endpoints[0].port() == 80
                             ? 0
                             : 2;
                context.stop();
              });
              context.run_for(std::chrono::seconds(60));
              return result;
            }),
            0);
}

// A name server of the test's own, because what asks over UDP uses more system calls than what reads a file.
TEST(Sandbox, LetsANameServerBeAsked) {
  const int server = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(server, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::getsockname(server, reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::atomic<bool> over = false;
  std::thread answering([&] {
    while (!over) {
      pollfd ready{server, POLLIN, 0};
      if (::poll(&ready, 1, 20) <= 0) continue;
      std::array<std::uint8_t, 512> query{};
      sockaddr_in from{};
      socklen_t from_size = sizeof(from);
      const ssize_t n = ::recvfrom(server, query.data(), query.size() - 16, 0,
                                   reinterpret_cast<sockaddr*>(&from), &from_size);
      if (n < 17) continue;
      // RFC 1035 4.1: the question back, and for A (1) one answer that points at its name.
      std::size_t end = 12;
      while (query[end] != 0) end += 1U + query[end];
      end += 5;
      const bool wants_a = query[end - 4] == 0 && query[end - 3] == 1;
      query[2] = 0x81;
      query[3] = 0x80;
      query[7] = wants_a ? 1 : 0;
      query[11] = 0;  // no additional records
      const std::array<std::uint8_t, 16> answer{0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 55};
      std::copy(answer.begin(), answer.end(), query.begin() + static_cast<std::ptrdiff_t>(end));
      ::sendto(server, query.data(), end + (wants_a ? answer.size() : 0), 0,
               reinterpret_cast<sockaddr*>(&from), from_size);
    }
  });
  EXPECT_EQ(inside([&] {
              ::res_init();
              _res.nscount = 1;
              _res.nsaddr_list[0] = address;
              _res.retrans = 2;
              _res.retry = 1;
              std::array<std::uint8_t, 512> reply{};
              const int n = ::res_search("pull.example.test", C_IN, T_A, reply.data(), reply.size());
              if (n < 16) return 1;
              const std::array<std::uint8_t, 4> wanted{192, 0, 2, 55};
              if (!std::equal(wanted.begin(), wanted.end(), reply.begin() + n - 4)) return 2;
              // getaddrinfo asks for both families at once.
              addrinfo hints{};
              hints.ai_socktype = SOCK_STREAM;
              addrinfo* found = nullptr;
              if (::getaddrinfo("pull.example.test", nullptr, &hints, &found) != 0) return 3;
              const auto* one = reinterpret_cast<const sockaddr_in*>(found->ai_addr);
              return one->sin_family == AF_INET && one->sin_addr.s_addr == htonl(0xC0000237) ? 0 : 4;
            }),
            0);
  over = true;
  answering.join();
  ::close(server);
}

TEST(Sandbox, RefusesMemoryThatCanBeRun) {
  EXPECT_EQ(inside([] {
              void* made = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              if (made == MAP_FAILED) return 2;
              return refused(::mprotect(made, 4096, PROT_READ | PROT_EXEC));
            }),
            0);
  EXPECT_EQ(inside([] {
              void* made = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return made == MAP_FAILED && errno == EPERM ? 0 : 1;
            }),
            0);
}

TEST(Sandbox, RefusesHigherLimits) {
  EXPECT_EQ(inside([] {
              const rlimit more{4096, 4096};
              return refused(::setrlimit(RLIMIT_NOFILE, &more));
            }),
            0);
}

TEST(Sandbox, LetsListenersFilesAndMemoryBe) {
  EXPECT_EQ(inside([] {
              const int fd = ::socket(AF_INET6, SOCK_STREAM, 0);
              sockaddr_in6 address{};
              address.sin6_family = AF_INET6;
              address.sin6_addr = in6addr_loopback;
              if (fd < 0) return 1;
              if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
                // A machine without IPv6 has no such address, which is another matter.
                if (errno != EADDRNOTAVAIL) return 2;
              } else if (::listen(fd, 4) != 0) {
                return 3;
              }
              const std::string path = testing::TempDir() + "sandbox_test_" + std::to_string(::getpid());
              std::FILE* file = std::fopen(path.c_str(), "w");
              if (file == nullptr || std::fclose(file) != 0) return 4;
              if (::unlink(path.c_str()) != 0) return 5;
              const std::string big(std::size_t{64} << 20, 'x');
              return big.back() == 'x' ? 0 : 6;
            }),
            0);
}

}  // namespace
}  // namespace headgate::bridge::app
