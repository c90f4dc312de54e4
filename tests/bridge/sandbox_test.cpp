// The sandbox from within: a child enters it and tries what it must not do, and what it must.
#include "dataplane/bridge/app/sandbox.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <thread>

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

TEST(Sandbox, RefusesMountsPacketsNamespacesProcessesAndConnections) {
  EXPECT_EQ(inside([] { return refused(::mount("none", "/mnt", "tmpfs", 0, nullptr)); }), 0);
  EXPECT_EQ(inside([] { return refused(::unshare(CLONE_NEWUSER)); }), 0);
  EXPECT_EQ(inside([] { return refused(::socket(AF_PACKET, SOCK_RAW, 0)); }), 0);
  EXPECT_EQ(inside([] { return refused(::socket(AF_NETLINK, SOCK_RAW, 0)); }), 0);
  EXPECT_EQ(inside([] { return refused(::socket(AF_UNIX, SOCK_STREAM, 0)); }), 0);
  EXPECT_EQ(inside([] { return refused(::fork()); }), 0);
  EXPECT_EQ(inside([] { return refused(::kill(::getppid(), 0)); }), 0);
  EXPECT_EQ(inside([] { return refused(::setuid(0)); }), 0);
  EXPECT_EQ(inside([] {
              const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
              sockaddr_in address{};
              address.sin_family = AF_INET;
              address.sin_port = htons(9);
              address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
              return refused(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)));
            }),
            0);
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
