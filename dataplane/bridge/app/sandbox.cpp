#include "dataplane/bridge/app/sandbox.h"

#include <linux/capability.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace headgate::bridge::app {
namespace {

tl::unexpected<std::string> failure(const char* what) {
  return tl::unexpected<std::string>(std::string(what) + ": " + std::strerror(errno));
}

tl::expected<void, std::string> drop_capabilities() {
  constexpr int kLastPossible = 63;
  for (int capability = 0; capability <= kLastPossible; ++capability) {
    if (capability == CAP_NET_BIND_SERVICE) continue;
    // EINVAL: beyond the kernel's last; EPERM: an ordinary user, who has none to drop.
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL && errno != EPERM) {
      return failure("can't drop a capability from the bounding set");
    }
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return failure("can't read capabilities");
  constexpr std::uint32_t kBind = 1U << CAP_NET_BIND_SERVICE;
  for (auto& word : data) word.inheritable = 0;
  data[0].permitted &= kBind;
  data[0].effective &= kBind;
  data[1].permitted = 0;
  data[1].effective = 0;
  if (::syscall(SYS_capset, &header, data.data()) != 0) return failure("can't drop capabilities");
  return {};
}

// What serving and fetching need, and what the C library, Asio and libsrt do beneath it. connect goes to IPv4
// and IPv6 only, because there are no other sockets (below); where to, a filter can't see. Not among them:
// kill, chmod. clone makes threads only (below).
constexpr std::array kAllowed{
    // descriptors and files
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(preadv2),
    SCMP_SYS(pwrite64), SCMP_SYS(close), SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(lseek), SCMP_SYS(dup),
    SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fcntl), SCMP_SYS(flock), SCMP_SYS(stat), SCMP_SYS(lstat),
    SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(rename),
    SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fsync),
    SCMP_SYS(fadvise64), SCMP_SYS(umask), SCMP_SYS(getcwd),
    // sockets (socket itself: below)
    SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(connect),
    SCMP_SYS(setsockopt), SCMP_SYS(getsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(shutdown), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    // waiting
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
    SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(futex), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall),
    // memory (mmap and mprotect: below)
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(msync),
    // signals, time, identity, end
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(tgkill), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
    SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getrandom), SCMP_SYS(getrlimit), SCMP_SYS(getrusage),
    SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu), SCMP_SYS(membarrier),
    SCMP_SYS(rseq), SCMP_SYS(set_robust_list), SCMP_SYS(set_tid_address), SCMP_SYS(exit),
    SCMP_SYS(exit_group)};

int allow_by_argument(scmp_filter_ctx filter) {
  int bad = 0;
  const auto allow = [&](int call, scmp_arg_cmp condition) {
    bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, condition);
  };
  for (const scmp_datum_t family : {AF_INET, AF_INET6}) {
    allow(SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, family));
  }
  for (const scmp_datum_t request : {FIONBIO, FIONREAD, TCGETS}) {
    allow(SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, request));
  }
  // Of nodes, FIFOs: what wakes the reader of a ring that is made here.
  allow(SCMP_SYS(mknod), SCMP_A1(SCMP_CMP_MASKED_EQ, S_IFMT, S_IFIFO));
  allow(SCMP_SYS(mknodat), SCMP_A2(SCMP_CMP_MASKED_EQ, S_IFMT, S_IFIFO));
  // No memory that can be run.
  allow(SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  allow(SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  // Threads (libsrt makes three for the first port, two for another) but no processes and no namespaces.
  constexpr scmp_datum_t kThread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
  constexpr scmp_datum_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                       CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  allow(SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, kThread | kNamespaces, kThread));
  // Its flags lie in memory, which a filter can't read: without it the C library calls clone.
  bad |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  // Limits may be read, not set.
  allow(SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0));
  return bad;
}

// What the C library and OpenSSL load when they are first used: a library can't be mapped to be run
// afterwards. A look-up of "localhost" asks no server and waits for nobody.
void load_what_loads_late() {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (::getaddrinfo("localhost", nullptr, &hints, &found) == 0) ::freeaddrinfo(found);
  ::OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS, nullptr);
  if (SSL_CTX* context = ::SSL_CTX_new(::TLS_method()); context != nullptr) ::SSL_CTX_free(context);
}

tl::expected<void, std::string> filter_system_calls() {
  const std::unique_ptr<void, void (*)(void*)> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)),
                                                      [](void* f) { seccomp_release(f); });
  if (filter == nullptr) return tl::unexpected<std::string>("can't make a system call filter");
  int bad = 0;
  for (const int call : kAllowed) bad |= seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0);
  for (const int call : {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace)}) {
    bad |= seccomp_rule_add(filter.get(), SCMP_ACT_KILL_PROCESS, call, 0);
  }
  bad |= allow_by_argument(filter.get());
  if (bad != 0) return tl::unexpected<std::string>("can't add to the system call filter");
  if (seccomp_load(filter.get()) != 0)
    return tl::unexpected<std::string>("can't load the system call filter");
  return {};
}

}  // namespace

void set_limits() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

tl::expected<void, std::string> enter_sandbox() {
  load_what_loads_late();
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failure("can't set no_new_privs");
  if (auto dropped = drop_capabilities(); !dropped) return dropped;
  return filter_system_calls();
}

}  // namespace headgate::bridge::app
